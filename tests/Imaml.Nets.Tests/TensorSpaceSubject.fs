/// The tensor space with the way into it and out of it, for the laws that every space obeys.
module Imaml.Nets.Tests.TensorSpaceSubject

open TorchSharp
open Imaml.Nets.Tensors
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private epsilon dtype =
    match dtype with
    | torch.ScalarType.Float32 -> 2.0 ** -23.0
    | _ -> 2.0 ** -52.0

/// B rows of d numbers as [B, d] on a device.
let ofRowsOn (device: torch.Device) (dtype: torch.ScalarType) (rows: float[][]) : Tensor =
    use _ = torch.NewDisposeScope()

    torch
        .tensor(Array.concat rows)
        .view(int64 rows.Length, int64 rows[0].Length)
        .to_type(dtype)
        .``to``(device)
        .clone()
        .MoveToOuterDisposeScope()

/// B rows of d numbers as [B, d].
let ofRows = ofRowsOn torch.CPU

let toRows (x: Tensor) : float[][] = numbers x |> Array.chunkBySize (int x.shape[1])

let subjectOn (device: torch.Device) dtype tasks : Subject<Tensor, Tensor> =
    {
        Name = $"tensors of {tasks} tasks, {dtype}, {device}"
        Space = TensorSpace(tasks, dtype, device)
        Tasks = tasks
        OfTasks = fun tasks -> TensorSpace(tasks, dtype, device)
        MostTasks = System.Int32.MaxValue
        Epsilon = epsilon dtype
        OfRows = ofRowsOn device dtype
        ToRows = toRows
        Coordinates = TensorCoordinates()
        Alive = Some(fun x -> not x.IsInvalid)
        // One double and one single precision of three tasks, and one of a single task, on the processor; a device makes all draws.
        Sharing = if device.``type`` = DeviceType.CPU then 3 else 1
    }

let subject dtype tasks = subjectOn torch.CPU dtype tasks
