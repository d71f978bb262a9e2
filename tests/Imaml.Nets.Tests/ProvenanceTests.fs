/// Where a number comes from: program, machine, instruction set.
module Imaml.Nets.Tests.ProvenanceTests

open System
open System.Runtime.InteropServices
open System.Runtime.Intrinsics.X86
open System.Text.Json
open Expecto
open FsUnit
open Imaml.Nets.LibTorch
open Imaml.Nets.Runs

let private old =
    """{"version":"0.1.0","processor":"P","cores":2,"system":"S","runtime":"R","libTorch":"2.10.0","device":"cpu"}"""

let private read (json: string) =
    match JsonSerializer.Deserialize<Provenance>(json, RunJson.Options) with
    | null -> failtest "nothing was read"
    | found -> found

[<Tests>]
let tests =
    testList
        "Provenance"
        [
            testCase "names the instructions of the processor and those that libtorch uses, and survives JSON" (fun () ->
                let current = Provenance.Current ComputeDevice.Processor
                let again = read (JsonSerializer.Serialize(current, RunJson.Options))
                again.Machine |> should equal current.Machine

                match again.InstructionSet with
                | null -> failtest "no instruction set"
                | set ->
                    current.Machine |> should haveSubstring $"({set})"

                    if RuntimeInformation.ProcessArchitecture = Architecture.X64 then
                        // libtorch and this program ask the same processor, each by its own means; without limits they agree.
                        [ "avx512"; "avx2"; "avx"; "sse" ] |> should contain set.Processor
                        set.Processor = "avx512" |> should equal Avx512BW.VL.IsSupported

                        if set.Limits.Count = 0 && set.Processor.StartsWith("avx", StringComparison.Ordinal) then
                            string set.LibTorch |> should equal set.Processor)

            testCase "a file of a version that did not record it still reads, and says so" (fun () ->
                let found = read old
                isNull (box found.InstructionSet) |> should equal true
                found.Machine |> should equal "P (instruction set not recorded), 2 cores")

            testCase "an instruction set says what differs from the processor's, and why" (fun () ->
                string (InstructionSet("avx512", "avx512", [||])) |> should equal "avx512"
                string (InstructionSet("avx2", null, [||])) |> should equal "avx2"

                string (InstructionSet("avx512", "avx2", [| "ATEN_CPU_CAPABILITY=avx2"; "ONEDNN_MAX_CPU_ISA=AVX2" |]))
                |> should equal "avx512, libtorch avx2 (ATEN_CPU_CAPABILITY=avx2, ONEDNN_MAX_CPU_ISA=AVX2)")
        ]
