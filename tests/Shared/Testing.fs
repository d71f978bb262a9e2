// What every test program shares: how it runs, how FsUnit's assertions become Expecto's failures, how random draws are seeded, and how a
// test says that it needs data.
//
//   IMAML_DATA     the folder with omniglot/ and the other data sets; a test that needs it is skipped where it is absent
//   IMAML_REPLAY   `SEED,GAMMA` of a failed property, as Expecto prints them; or `random` for new draws on every run
//   IMAML_DRAWS    how many draws a property makes, in place of its own number
//   IMAML_TIMES    a file to which the wall seconds of every test that passes are appended, with the program's processor seconds so far
namespace Imaml.Testing

open System
open System.Diagnostics
open System.IO
open System.Reflection
open Expecto

/// How properties draw: from a fixed seed, so that two runs check the same instances.
[<RequireQualifiedAccess>]
module Draws =
    let private variable name =
        match Environment.GetEnvironmentVariable name with
        | null
        | "" -> None
        | text -> Some text

    // Any two numbers do; FsCheck wants the second to be odd.
    let private replay =
        match variable "IMAML_REPLAY" with
        | None -> Some(20190910UL, 4625UL, None)
        | Some "random" -> None
        | Some text ->
            match
                text.Trim('(', ')').Split ','
                |> Array.map (fun part -> UInt64.TryParse(part.Trim().TrimEnd('U', 'L')))
            with
            | [| (true, seed); (true, gamma) |] -> Some(seed, gamma, None)
            | _ -> invalidArg "IMAML_REPLAY" $"IMAML_REPLAY={text} is neither `SEED,GAMMA` nor `random`"

    let private override' =
        variable "IMAML_DRAWS"
        |> Option.map (fun text ->
            match Int32.TryParse text with
            | true, count when count > 0 -> count
            | _ -> invalidArg "IMAML_DRAWS" $"IMAML_DRAWS={text} is not a positive number")

    /// The configuration that makes this many draws: `testPropertyWithConfig (Draws.times 30) "…" property`.
    let times (count: int) : FsCheckConfig =
        { FsCheckConfig.defaultConfig with
            maxTest = defaultArg override' count
            replay = replay
        }

    /// What a plain `testProperty` gets.
    let usual: FsCheckConfig = times 100

[<AutoOpen>]
module TemporaryFolder =
    /// Runs the body in a new folder and removes it.
    let inFolder (body: string -> 'a) : 'a =
        let folder = Directory.CreateTempSubdirectory("imaml-test-").FullName

        try
            body folder
        finally
            Directory.Delete(folder, true)

/// Tests that need something this machine may lack. Where it does they are skipped: the summary counts them as ignored, never as passed, and
/// names each with what it lacks.
[<RequireQualifiedAccess>]
module Needs =
    /// A test that is skipped where `lack` says what is missing.
    let unlessLacking (lack: unit -> string option) (name: string) (body: unit -> unit) : Test =
        testCase name (fun () ->
            match lack () with
            | Some what -> skiptest what
            | None -> body ())

    /// What is missing where a program is in no folder of programs, with the Debian package that has it.
    let lackOf (program: string) (package: string) () : string option =
        let folders =
            (Environment.GetEnvironmentVariable "PATH" |> Option.ofObj |> Option.defaultValue "").Split ':'

        if folders |> Array.exists (fun folder -> File.Exists(Path.Combine(folder, program))) then
            None
        else
            Some $"needs {program}, which is missing (apt-get install {package})"

    let private data (folder: string) (name: string) (body: string -> unit) : Test =
        testCase name (fun () ->
            match Environment.GetEnvironmentVariable "IMAML_DATA" with
            | null
            | "" -> skiptest $"needs {folder}: IMAML_DATA is not set (it names the folder with {folder}/)"
            | root when not (Directory.Exists(Path.Combine(root, folder))) ->
                skiptest $"needs {folder}: IMAML_DATA={root} holds no {folder}/"
            | root -> body (Path.GetFullPath root))

    /// A test on the real Omniglot archives; the body gets the data root, the folder with omniglot/.
    let omniglot (name: string) (body: string -> unit) : Test = data "omniglot" name body

    /// A test on the photographs of grocery_84; the body gets the data root, the folder with grocery_84/.
    let grocery (name: string) (body: string -> unit) : Test = data "grocery_84" name body

    /// A test on problems with values from outside of this project; the body gets the folder with them.
    let reference (name: string) (body: string -> unit) : Test = data "reference" name (fun root -> body (Path.Combine(root, "reference")))

/// The repository that the test program was built in.
[<RequireQualifiedAccess>]
module Repository =
    /// The folder with Imaml.sln, which is above the program, unless it was published.
    let root () =
        let rec above (folder: string | null) =
            match folder with
            | null -> failtest "the repository's root, with Imaml.sln, is not above the test program"
            | at when File.Exists(Path.Combine(at, "Imaml.sln")) -> at
            | at -> above (Path.GetDirectoryName at)

        above AppContext.BaseDirectory

/// Runs the test program.
[<RequireQualifiedAccess>]
module Suite =
    /// Says what runs, and every half minute how far it is.
    let private printer (count: int) : Impl.TestPrinters =
        let name =
            Assembly.GetEntryAssembly()
            |> Option.ofObj
            |> Option.map (fun it -> it.GetName().Name)
            |> Option.defaultValue null

        let clock = Stopwatch.StartNew()
        let ended, told = ref 0, ref 0L

        let tell () =
            lock clock (fun () ->
                ended.Value <- ended.Value + 1

                if clock.ElapsedMilliseconds - told.Value > 30_000L then
                    told.Value <- clock.ElapsedMilliseconds
                    Console.WriteLine $"{name}: {ended.Value} of {count} tests in {clock.ElapsedMilliseconds / 1000L} s")

        let note (test: string) (time: TimeSpan) =
            match Environment.GetEnvironmentVariable "IMAML_TIMES" with
            | null
            | "" -> ()
            | path ->
                lock clock (fun () ->
                    let processor = Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds
                    File.AppendAllText(path, FormattableString.Invariant $"{time.TotalSeconds:F3}\t{processor:F1}\t{name}\t{test}\n"))

        let usual = Impl.TestPrinters.defaultPrinter
        Console.WriteLine $"{name}: {count} tests"

        { usual with
            passed =
                fun test time ->
                    tell ()
                    note test time
                    usual.passed test time
            failed =
                fun test why time ->
                    tell ()
                    usual.failed test why time
        }

    /// FsUnit throws NUnit's exception, which Expecto would report as an error in place of a failure.
    /// A skipped test is named with what it lacks: Expecto's summary counts it only.
    let private bridge (name: string | null) (code: TestCode) : TestCode =
        let skipped (e: IgnoreException) =
            Console.WriteLine $"Skipped, {e.Message}: {name}"
            raise e

        let failed (e: NUnit.Framework.AssertionException) =
            let line =
                (string e.StackTrace).Split '\n'
                |> Array.tryFind (fun call -> call.Contains ".fs:line" && not (call.Contains "FsUnit"))

            raise (AssertException(String.concat "\n" [ e.Message.Trim(); defaultArg line "" ]))

        match code with
        | Sync body ->
            Sync(fun () ->
                try
                    body ()
                with
                | :? IgnoreException as e -> skipped e
                | :? NUnit.Framework.AssertionException as e -> failed e)
        | SyncWithCancel body ->
            SyncWithCancel(fun token ->
                try
                    body token
                with :? NUnit.Framework.AssertionException as e ->
                    failed e)
        | Async body ->
            Async(
                async {
                    try
                        do! body
                    with :? NUnit.Framework.AssertionException as e ->
                        failed e
                }
            )
        | AsyncFsCheck(None, None, body) -> AsyncFsCheck(Some Draws.usual, Some Draws.usual, body)
        | AsyncFsCheck _ -> code

    let private named (name: string | null) (code: TestCode) : Test =
        let case = TestCase(code, Normal)

        match name with
        | null -> case
        | name -> TestLabel(name, case, Normal)

    /// Runs every value marked `[<Tests>]` in the program and returns the exit code: 0 where all passed, otherwise not 0, as where there is
    /// no test at all. `--only TEXT` keeps the tests whose full name contains the text, or none: `dotnet test --filter` asks every program. The other
    /// arguments are Expecto's.
    let run (arguments: string array) : int =
        let tests =
            Option.ofObj (Assembly.GetEntryAssembly())
            |> Option.bind Impl.testFromAssembly
            |> Option.defaultValue (testList "" [])
            |> Test.replaceTestCode (fun name code -> named name (bridge name code))

        let only, rest =
            match Array.tryFindIndex ((=) "--only") arguments with
            | Some i when i + 1 < arguments.Length -> Some arguments[i + 1], Array.removeManyAt i 2 arguments
            | _ -> None, arguments

        let kept =
            match only with
            | None -> tests
            | Some text ->
                tests
                |> Test.filter "/" (fun name -> (String.concat "/" name).Contains(text, StringComparison.OrdinalIgnoreCase))

        match only, Test.toTestCodeList kept with
        | None, [] ->
            Console.Error.WriteLine "No tests: a value marked [<Tests>] is missing"
            1
        | _, all ->
            // Expecto's own writer resets the colour of every line, also where there is none.
            Logging.Global.initialise
                { Logging.Global.defaultConfig with
                    getLogger = fun name -> Logging.TextWriterTarget(name, Logging.LogLevel.Info, Console.Out)
                }

            runTestsWithCLIArgs
                [
                    CLIArguments.No_Spinner
                    CLIArguments.Fail_On_Focused_Tests
                    CLIArguments.Colours 0
                    CLIArguments.Printer(printer (Seq.length all))
                ]
                rest
                kept
