using System.Reflection;
using Expecto;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using static Expecto.Tests;

namespace Imaml.Interop.Tests;

/// <summary>Runs every value marked <c>[Tests]</c>, as the test programs in F# do: see tests/Shared/Testing.fs.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        var found = Impl.testFromAssembly.Invoke(Assembly.GetExecutingAssembly());
        if (found is null)
        {
            Console.Error.WriteLine("No tests: a value marked [Tests] is missing");
            return 1;
        }

        // `--only TEXT` keeps the tests whose full name contains the text; the other arguments are Expecto's.
        var only = Array.IndexOf(arguments, "--only");
        var tests = found.Value;
        if (only >= 0 && only + 1 < arguments.Length)
        {
            var text = arguments[only + 1];
            bool Kept(FSharpList<string> name) => string.Join("/", name).Contains(text, StringComparison.OrdinalIgnoreCase);
            tests = TestModule.filter("/", FuncConvert.FromFunc<FSharpList<string>, bool>(Kept)).Invoke(tests);
            arguments = [.. arguments[..only], .. arguments[(only + 2)..]];
        }

        // As in tests/Shared/Testing.fs.
        var usual = Expecto.Logging.Global.defaultConfig;
        Expecto.Logging.Global.initialise(new Expecto.Logging.LoggingConfig(
            usual.timestamp, FuncConvert.FromFunc<string[], Expecto.Logging.Logger>(name => new Expecto.Logging.TextWriterTarget(name, Expecto.Logging.LogLevel.Info, Console.Out, null)), usual.consoleSemaphore));
        CLIArguments[] options = [CLIArguments.No_Spinner, CLIArguments.Fail_On_Focused_Tests, CLIArguments.NewColours(0)];
        return runTestsWithCLIArgs(options, arguments, tests);
    }
}
