/// The rooms of Imaml.Nets.CSharp refer to each other in one direction.
module Imaml.Nets.Tests.RoomTests

open System
open Expecto
open FsUnit
open Mono.Cecil
open Imaml.Nets.Tensors

let private root = "Imaml.Nets."

/// Every room after those that it may refer to.
let private order =
    [
        "Storage"
        "Machines"
        "LibTorch"
        "Kernels"
        "Tensors"
        "Models"
        "Tasks"
        "Methods"
        "Learning"
        "Runs"
        "Prediction"
        "Cost"
        "Assumptions"
    ]

let rec private room (t: TypeReference | null) =
    match t with
    | null -> None
    | t when not (isNull t.DeclaringType) -> room t.DeclaringType
    | t when t.Namespace.StartsWith(root, StringComparison.Ordinal) -> Some t.Namespace[root.Length ..]
    | _ -> None

/// The types that make up a reference: its own, and those of its arguments and elements.
let rec private parts (t: TypeReference | null) : TypeReference list =
    match t with
    | null -> []
    | :? GenericInstanceType as generic -> parts generic.ElementType @ (generic.GenericArguments |> Seq.collect parts |> Seq.toList)
    | :? TypeSpecification as other -> parts other.ElementType
    | other -> [ other ]

let private ofMethod (m: MethodReference) =
    [
        yield! parts m.DeclaringType
        yield! parts m.ReturnType
        for p in m.Parameters do
            yield! parts p.ParameterType
        match m with
        | :? GenericInstanceMethod as generic ->
            for argument in generic.GenericArguments do
                yield! parts argument
        | _ -> ()
    ]

/// All that a type names: in signatures, attributes and code.
let private references (t: TypeDefinition) =
    [
        yield! parts t.BaseType
        for one in t.Interfaces do
            yield! parts one.InterfaceType
        for attribute in t.CustomAttributes do
            for argument in attribute.ConstructorArguments do
                match argument.Value with
                | :? TypeReference as named -> yield! parts named
                | _ -> ()
        for field in t.Fields do
            yield! parts field.FieldType
        for m in t.Methods do
            yield! ofMethod m

            if m.HasBody then
                for variable in m.Body.Variables do
                    yield! parts variable.VariableType

                for instruction in m.Body.Instructions do
                    match instruction.Operand with
                    | :? MethodReference as called -> yield! ofMethod called
                    | :? FieldReference as field ->
                        yield! parts field.DeclaringType
                        yield! parts field.FieldType
                    | :? TypeReference as named -> yield! parts named
                    | _ -> ()
    ]

let rec private withNested (t: TypeDefinition) : TypeDefinition list = t :: (t.NestedTypes |> Seq.collect withNested |> Seq.toList)

let private edges () =
    use library = AssemblyDefinition.ReadAssembly(typeof<TensorSpace>.Assembly.Location)

    [
        for t in library.MainModule.Types |> Seq.collect withNested do
            match room t with
            | None -> ()
            | Some from ->
                for target in references t |> List.choose room do
                    if target <> from then
                        from, target
    ]
    |> List.distinct

[<Tests>]
let tests =
    testList
        "Rooms"
        [
            testCase "every room is in the order, and refers to rooms before it alone: there is no cycle" (fun () ->
                let place name = List.tryFindIndex ((=) name) order

                [
                    for from, target in edges () do
                        if not (place target < place from) || place target = None then
                            $"{from} refers to {target}"
                ]
                |> should equal List.empty<string>)

            testCase "every type is in a room" (fun () ->
                use library = AssemblyDefinition.ReadAssembly(typeof<TensorSpace>.Assembly.Location)

                [
                    for t in library.MainModule.Types do
                        if t.Namespace = root.TrimEnd '.' then
                            t.FullName
                ]
                |> should equal List.empty<string>)

            testCase "the references are seen: Runs refers to Learning, Learning to Methods" (fun () ->
                let seen = edges ()
                seen |> should contain ("Runs", "Learning")
                seen |> should contain ("Learning", "Methods"))

            testCase "the classes know no option of a command line: no text of theirs begins with two hyphens" (fun () ->
                use library = AssemblyDefinition.ReadAssembly(typeof<TensorSpace>.Assembly.Location)

                [
                    for t in library.MainModule.Types |> Seq.collect withNested do
                        for m in t.Methods do
                            if m.HasBody then
                                for instruction in m.Body.Instructions do
                                    match instruction.Operand with
                                    | :? string as text when text.StartsWith("--", StringComparison.Ordinal) -> $"{t.Name}: {text}"
                                    | _ -> ()
                ]
                |> should equal List.empty<string>)
        ]
