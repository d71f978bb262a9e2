/// Runs under mpirun have the bits of one process and end together. A test that needs an MPI is skipped where it is not installed.
module Imaml.Cli.Tests.MpiTests

open System
open System.Diagnostics
open System.IO
open System.Text.Json
open Expecto
open FsUnit
open Imaml.Mpi
open Imaml.Testing
open Imaml.Cli.Tests.TrainRuns

/// An MPI's launcher, by its name of its own, in the folders of programs.
type private Mpi =
    {
        Name: string
        Launcher: string
        Options: string
        Package: string
    }

    member this.Lack() = Needs.lackOf this.Launcher this.Package ()

    /// A script in which `"$@"` is run by so many ranks.
    member this.Script(ranks: int) = $"exec {this.Launcher} {this.Options} -n {ranks} \"$@\""

let private openMpi =
    {
        Name = "Open MPI"
        Launcher = "mpirun.openmpi"
        Options = "--oversubscribe --bind-to none"
        Package = "openmpi-bin"
    }

/// It waits without sleeping: more ranks than cores take very long.
let private mpich =
    {
        Name = "MPICH"
        Launcher = "mpiexec.mpich"
        Options = ""
        Package = "mpich"
    }

let private asRoot =
    [
        "OMPI_ALLOW_RUN_AS_ROOT", "1"
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"
        "IMAML_MPI", ""
    ]

let private run (mpi: Mpi) ranks arguments = Imaml.runByShell asRoot (mpi.Script ranks) arguments

let private under (mpi: Mpi) name (body: string -> unit) = Needs.unlessLacking mpi.Lack $"{mpi.Name}: {name}" (fun () -> inFolder body)

let private at (folder: string) (name: string) = Path.Combine(folder, name)

/// Sixteen tasks are eight chunks of two.
let private changes =
    [
        "--meta-batch", "16"
        "--meta-steps", "4"
        "--validate-every", "2"
        "--validation-episodes", "50"
    ]

/// Long enough to be stopped, with a checkpoint now and then.
let private long =
    [
        "--meta-batch", "16"
        "--meta-steps", "400"
        "--validate-every", "0"
        "--checkpoint-every", "1"
        // So that a run may have another length.
        "--outer-schedule", "constant"
    ]

let private waitFor (what: string) (condition: unit -> bool) (running: Process) =
    let deadline = DateTime.UtcNow.AddMinutes 5.0

    while not (condition ()) do
        if running.HasExited || DateTime.UtcNow > deadline then
            failtest $"{what} did not come; {running.StandardError.ReadToEnd()}"

        Threading.Thread.Sleep 20

let private made run () =
    let log = at run "progress.jsonl"

    try
        File.Exists log && (File.ReadAllLines log).Length >= 2
    with :? IOException ->
        false

let private signal (name: string) (pid: int) =
    use kill = Process.Start("kill", [ name; string pid ])
    kill.WaitForExit()

/// The process of a rank: one of mpirun's children.
let private rank (index: int) (launcher: Process) =
    use children =
        Process.Start(ProcessStartInfo("pgrep", [ "-P"; string launcher.Id ], RedirectStandardOutput = true))
        |> Option.ofObj
        |> Option.get

    (children.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)
     |> Array.map int
     |> Array.sort)[index]

/// A run of two ranks by Open MPI with which something happens after two meta-steps; its exit code and what it said.
let private disturbed folder (extra: (string * string) list) (what: Process -> unit) =
    use running = Imaml.startByShell asRoot (openMpi.Script 2) (options (extra @ long) folder)
    let errors = running.StandardError.ReadToEndAsync()
    let output = running.StandardOutput.ReadToEndAsync()
    waitFor "the second meta-step" (made folder) running
    what running

    if not (running.WaitForExit(TimeSpan.FromMinutes 2.0)) then
        running.Kill true
        failtest "the job did not end"

    output.Wait()
    running.ExitCode, errors.Result

let private metaStep folder = (File.ReadLines(at folder "progress.jsonl") |> Seq.length)

/// One process goes on to `steps` meta-steps; another makes as many without having been stopped.
let private goesOn folder stopped =
    let steps = metaStep stopped + 2

    let to' output =
        options (("--meta-steps", string steps) :: List.filter (fun (name, _) -> name <> "--meta-steps") long) output

    succeed (to' stopped) |> ignore
    let whole = at folder "whole"
    succeed (to' whole) |> ignore
    state whole = state stopped |> should equal true
    numbers whole "progress.jsonl" |> should equal (numbers stopped "progress.jsonl")

let private environment (variables: (string * string) list) =
    let variable =
        Func<string, string | null>(fun name ->
            match variables |> List.tryFind (fun (known, _) -> known = name) with
            | Some(_, value) -> value
            | None -> null)

    match Launch.Of variable with
    | null -> []
    | launch -> [ Option.ofNullable launch.Family, launch.Rank, launch.Size ]

[<Tests>]
let tests =
    testSequenced
    <| testList
        "MPI"
        [
            testCase "a launcher is known by its variables, the innermost first; a launcher of one process is none" (fun () ->
                let open' = "OMPI_COMM_WORLD_SIZE", "4"
                let slurm = [ "SLURM_STEP_NUM_TASKS", "8"; "SLURM_PROCID", "5" ]
                let none: (MpiFamily option * int * int) list = []
                environment [] |> should equal none

                environment [ open'; "OMPI_COMM_WORLD_RANK", "3" ] |> should equal [ Some MpiFamily.OpenMpi, 3, 4 ]

                environment [ "PMI_SIZE", "2"; "PMI_RANK", "1" ] |> should equal [ Some MpiFamily.Mpich, 1, 2 ]

                environment slurm |> should equal [ (None: MpiFamily option), 5, 8 ]
                environment (("PMIX_RANK", "5") :: slurm) |> should equal [ Some MpiFamily.OpenMpi, 5, 8 ]

                environment ([ open'; "OMPI_COMM_WORLD_RANK", "0" ] @ slurm)
                |> should equal [ Some MpiFamily.OpenMpi, 0, 4 ]

                environment [ "OMPI_COMM_WORLD_SIZE", "1"; "OMPI_COMM_WORLD_RANK", "0" ] |> should equal none)

            for mpi, ranks in [ openMpi, 2; openMpi, 3; mpich, 2 ] do
                under mpi $"{ranks} ranks leave the files of one process, and measure what it measures" (fun folder ->
                    let alone, shared = at folder "alone", at folder "shared"
                    succeed (options changes alone) |> ignore
                    let outcome = run mpi ranks (options changes shared)

                    if outcome.ExitCode <> 0 then
                        failtest $"exit code {outcome.ExitCode}: {outcome.Errors}"

                    sameRun alone shared

                    let accuracies (outcome: Imaml.Outcome) =
                        outcome.ExitCode |> should equal 0
                        use document = JsonDocument.Parse outcome.Output
                        document.RootElement[0].GetProperty("accuracyPerEpisode").GetRawText()

                    let evaluate folder = [ "evaluate"; folder; "--episodes"; "50"; "--json" ]

                    accuracies (run mpi ranks (evaluate shared))
                    |> should equal (accuracies (Imaml.run (evaluate alone))))

            under openMpi "2 ranks learn a λ for each parameter with the bits of one process" (fun folder ->
                let alone, shared = at folder "alone", at folder "shared"
                let learned = [ "--learn-lambda", "parameter"; "--lambda-rate", "0.01" ] @ changes
                succeed (options learned alone) |> ignore
                (run openMpi 2 (options learned shared)).ExitCode |> should equal 0
                sameRun alone shared)

            under
                openMpi
                "SIGUSR1 to mpirun stops all ranks after the same meta-step, and one process goes on to the same bits"
                (fun folder ->
                    let stopped = at folder "stopped"
                    let exitCode, said = disturbed stopped [] (fun running -> signal "-USR1" running.Id)
                    exitCode |> should equal 130

                    said
                    |> should haveSubstring $"stopped at meta-step {metaStep stopped}; the same command continues it"

                    goesOn folder stopped)

            under openMpi "a rank that is killed ends the job, and one process goes on to the same bits" (fun folder ->
                let killed = at folder "killed"
                let exitCode, _ = disturbed killed [] (fun running -> signal "-KILL" (rank 1 running))
                exitCode |> should not' (equal 0)
                goesOn folder killed)

            under openMpi "a rank that hangs ends the job after the limit" (fun folder ->
                let hung = at folder "hung"

                let exitCode, said =
                    disturbed hung [ "--stall-limit", "5" ] (fun running -> signal "-STOP" (rank 1 running))

                exitCode |> should not' (equal 0)
                said |> should haveSubstring "has waited 5 s for the others"
                goesOn folder hung)

            under openMpi "another MPI than the launcher's is refused in one line, and nothing is written" (fun folder ->
                let outcome =
                    Imaml.runByShell (asRoot @ [ "IMAML_MPI", "mpich" ]) (openMpi.Script 2) (options [] (at folder "run"))

                match mpich.Lack() with
                | Some lack -> skiptest lack
                | None -> ()

                outcome.ExitCode |> should equal 1

                outcome.Errors.Split('\n')
                |> Array.filter (fun line -> line.StartsWith("imaml: ", StringComparison.Ordinal))
                |> should haveLength 1

                outcome.Errors |> should haveSubstring "it is another MPI than the launcher's"
                Directory.Exists(at folder "run") |> should equal false)

            under openMpi "a command that does not share out its work is refused, and a usage error printed once" (fun _ ->
                for arguments, line in
                    [
                        [ "demo" ], "imaml: demo does not share out its work"
                        [ "train"; "--nothing" ], "imaml: unknown option --nothing"
                    ] do
                    let outcome = run openMpi 2 arguments
                    outcome.ExitCode |> should equal 2

                    match
                        outcome.Errors.Split('\n')
                        |> Array.filter (fun line -> line.StartsWith("imaml: ", StringComparison.Ordinal))
                    with
                    | [| one |] -> one |> should startWith line
                    | lines -> failtest $"one line expected, found {lines.Length}: {outcome.Errors}")
        ]
