/// The use of devices in the compiled library, read from its code: no tensor is made on the host but by name, and every read of a device's numbers
/// is in the list below. Neither check needs a device.
module Imaml.Nets.Tests.DeviceCodeTests

open System
open Expecto
open FsUnit
open Mono.Cecil
open Mono.Cecil.Cil
open Imaml.Nets.Tensors
open Imaml.Nets.Tests.LibraryCode

let private ofTorch (t: TypeReference) = t.FullName.StartsWith("TorchSharp.torch", StringComparison.Ordinal)

let private isDevice (p: ParameterDefinition) = p.ParameterType.FullName = "TorchSharp.torch/Device"

/// A call of torch.zeros, tensor, rand and the like that leaves the device out: the tensor is made on the host. What is made like another
/// tensor is where that is.
let private leavesDeviceOut (site: Instruction) (called: MethodReference) =
    ofTorch called.DeclaringType
    && not (called.Name.EndsWith("_like", StringComparison.Ordinal))
    && match Seq.tryFindIndex isDevice called.Parameters with
       | Some device ->
           match producer site called device with
           | null -> true
           | at -> at.OpCode = OpCodes.Ldnull
       | None -> false

/// What reads numbers on the host, and so waits for a device.
let private looks =
    set
        [
            "cpu"
            "data"
            "item"
            "ToScalar"
            "nonzero"
            "masked_select"
            "unique"
            "bytes"
            "ReadCpuSingle"
            "ReadCpuDouble"
        ]

/// The places that do so.
let private waits =
    set
        [
            // What the places below call.
            "HeldScalars.Number"
            "HeldScalars.Truth"
            // What the mathematics may ask: members of a space and of coordinates that say so.
            "TensorSpace.Any"
            "TensorSpace.Read"
            "TensorCoordinates.ToRows"
            // Numbers that all tasks share, which are on the host; and on the processor alone, whether one is zero.
            "TensorSpace.Axpy"
            "TensorSpace.Beside"
            "TensorSpace.Gather"
            // Once a meta-step or less, when its work is done.
            "LearningProblem.Measure"
            "FewShotProblem.Accuracy"
            "MetaBatch.OnHost"
            "MetaLearner.RefuseOutOfRange"
            "Checkpoint.Bytes"
            // What doctor measures, on the processor.
            "ConvolutionCheck.Error"
            // Predictions, on the processor.
            "AdaptedClassifier.Save"
            "AdaptedClassifier.SaveOnnx"
            "AdaptedClassifier.Some"
            "FewShotClassifier.Adapt"
            "FewShotClassifier.SaveSafeTensors"
            // A loss without a graph: a constant, or a mistake.
            "TaskLoss.Same"
        ]

let private library () = AssemblyDefinition.ReadAssembly(typeof<TensorSpace>.Assembly.Location)

[<Tests>]
let tests =
    testList
        "Devices, in the code"
        [
            testCase "every tensor is made on a device that is named" (fun () ->
                use library = library ()

                [
                    for m in methods library do
                        for site, called in callSites m do
                            if leavesDeviceOut site called then
                                $"{writtenIn m} calls {called.Name}"
                ]
                |> List.distinct
                |> should equal List.empty<string>)

            testCase "a tensor that is made without a device would be found" (fun () ->
                // These tests make tensors so.
                use tests = AssemblyDefinition.ReadAssembly(Reflection.Assembly.GetExecutingAssembly().Location)

                methods tests
                |> List.collect callSites
                |> List.filter (fun (site, called) -> leavesDeviceOut site called)
                |> should not' (be Empty))

            testCase "a device is waited for in the places that are listed, and nowhere else" (fun () ->
                use library = library ()

                [
                    for m in methods library do
                        for called in calls m do
                            if
                                ofTorch called.DeclaringType && looks.Contains called.Name
                                || called.DeclaringType.Name = nameof HeldScalars && (called.Name = "Number" || called.Name = "Truth")
                            then
                                writtenIn m
                ]
                |> set
                |> fun found -> Expect.equal (found - waits, waits - found) (Set.empty, Set.empty) "unlisted, and listed in vain")
        ]
