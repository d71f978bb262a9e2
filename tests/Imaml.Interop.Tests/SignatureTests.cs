using System.Reflection;
using Expecto;
using Imaml.Math;
using Microsoft.FSharp.Core;
using static Imaml.Interop.Tests.Check;

namespace Imaml.Interop.Tests;

/// <summary>No public signature for C# contains a type of F#'s own library: no FSharpFunc, option, list, ref or unit.</summary>
public static class SignatureTests
{
    private const BindingFlags Everything =
        BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static bool IsModule(Type type) =>
        type.GetCustomAttribute<CompilationMappingAttribute>() is { } mapping &&
        (mapping.SourceConstructFlags & SourceConstructFlags.KindMask) == SourceConstructFlags.Module;

    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!)
        : type.IsGenericType ? type.GetGenericArguments().SelectMany(Parts).Prepend(type)
        : [type];

    private static IEnumerable<Type> Mentioned(MemberInfo member) => member switch
    {
        MethodInfo method => method.GetParameters().Select(p => p.ParameterType).Append(method.ReturnType),
        ConstructorInfo constructor => constructor.GetParameters().Select(p => p.ParameterType),
        PropertyInfo property => property.GetIndexParameters().Select(p => p.ParameterType).Append(property.PropertyType),
        FieldInfo field => [field.FieldType],
        EventInfo @event => [@event.EventHandlerType!],
        _ => [],
    };

    private static bool IsFSharps(Type type) => type.Namespace?.StartsWith("Microsoft.FSharp", StringComparison.Ordinal) == true;

    private static List<string> Violations(IEnumerable<Type> types) =>
        [.. from type in types
            let above = type.GetInterfaces().Append(type.BaseType).OfType<Type>().Select(parent => (Name: "inherits", Types: Parts(parent)))
            let members = type.GetMembers(Everything).Select(member => (member.Name, Types: Mentioned(member).SelectMany(Parts)))
            from member in members.Concat(above)
            from mentioned in member.Types
            where IsFSharps(mentioned)
            select $"{type.FullName}.{member.Name}: {mentioned}"];

    private static List<Type> Public(string space) =>
        [.. from type in typeof(EuclideanSpace).Assembly.GetTypes()
            where type.IsVisible && type.Namespace == space && !IsModule(type)
            select type];

    private static void None(List<Type> types, int atLeast)
    {
        That(types.Count >= atLeast, $"only {types.Count} types were found");
        var violations = Violations(types);
        That(violations.Count == 0, string.Join("\n", violations));
    }

    [Tests]
    public static readonly Test Statements = List(
        "Signatures",
        Statement("no type of the core but F# modules mentions a type of F#'s library", () => None(Public("Imaml.Math"), atLeast: 60)),
        Statement("the search finds what it looks for", () =>
        {
            var modules = typeof(EuclideanSpace).Assembly.GetTypes().Where(type => type.IsVisible && IsModule(type)).ToList();
            That(modules.Contains(typeof(Region)), "Region is an F# module");
            That(Violations([typeof(Region)]).Count > 0, "Region.run takes an FSharpFunc");
        }));
}
