/// libtorch's device `meta` has sizes and types, and no numbers: reading one throws, and so does an operation between it and another device.
/// So what runs there from end to end has no tensor astray on the host and waits for nothing; no GPU is needed to see it.
///
/// The C++ library has no kernels there for some operations (PyTorch's are written in Python). Those that the networks and the space need are
/// given to it here, by the C interface that libtorch has for extensions (torch/csrc/stable/c/shim.h). Each makes results of the right sizes.
module Imaml.Nets.Tests.MetaKernels

open System
open System.Collections.Concurrent
open System.IO
open System.Runtime.InteropServices
open TorchSharp
open Imaml.Nets.LibTorch
open Imaml.Nets.Tests.Tensors

/// The device.
let meta = lazy (torch.Device("meta"))

/// What kernels were given that is not on `meta`. They cannot throw: their caller is C++.
let private strays = ConcurrentQueue<string>()

/// Arguments come and results go as numbers of 64 bits, each a handle, a number, or the address of one for what is optional.
[<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
type private Kernel = delegate of stack: nativeint * arguments: uint64 * results: uint64 -> unit

[<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
type private NewLibrary = delegate of space: string * key: string * file: string * line: uint32 * library: byref<nativeint> -> int

[<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
type private Register = delegate of library: nativeint * name: string * kernel: Kernel * version: uint64 -> int

[<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
type private ListSize = delegate of list: nativeint * size: byref<uint64> -> int

[<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
type private ListItem = delegate of list: nativeint * index: uint64 * item: byref<int64> -> int

[<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
type private ListDelete = delegate of list: nativeint -> int

[<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
type private IsDefined = delegate of tensor: nativeint * defined: byref<byte> -> int

/// The interface's version, 2.10, from which on it has lists.
let private version = (2UL <<< 56) ||| (10UL <<< 48)

let private native =
    lazy NativeLibrary.Load(Path.Combine(LibTorchLoader.Loaded.Folder, "libtorch_cpu.so"))

let private imported<'F when 'F :> Delegate> name = Marshal.GetDelegateForFunctionPointer<'F>(NativeLibrary.GetExport(native.Value, name))

let private isDefined = lazy imported<IsDefined> "aoti_torch_is_defined"
let private listSize = lazy imported<ListSize> "torch_list_size"
let private listItem = lazy imported<ListItem> "torch_list_get_item"
let private listDelete = lazy imported<ListDelete> "torch_delete_list"

/// The arguments of a call.
type private Call(stack: nativeint) =
    let at i = stack + nativeint (8 * i)

    let tensor name (handle: nativeint) =
        let x = Tensor.UnsafeCreateTensor handle

        // C++ passes a tensor that is none where an argument is left out.
        let mutable defined = 0uy
        isDefined.Value.Invoke(handle, &defined) |> ignore

        if defined <> 0uy && x.device_type <> DeviceType.META then
            let sizes = String.Join(", ", x.shape)
            strays.Enqueue $"{name} was given a tensor [{sizes}] on {x.device}"

        x

    /// The argument, which is freed with the scope.
    member _.Tensor(name, i) = tensor name (Marshal.ReadIntPtr(at i))

    member _.Optional(name, i) =
        match Marshal.ReadIntPtr(at i) with
        | 0n -> None
        | address -> Some(tensor name (Marshal.ReadIntPtr address))

    member _.Integer i = Marshal.ReadInt64(at i)

    member _.Integers i =
        let list = Marshal.ReadIntPtr(at i)
        let mutable size = 0UL
        listSize.Value.Invoke(list, &size) |> ignore

        let items =
            Array.init (int size) (fun k ->
                let mutable item = 0L
                listItem.Value.Invoke(list, uint64 k, &item) |> ignore
                item)

        listDelete.Value.Invoke list |> ignore
        items

    member this.Tensors(name, i) = this.Integers i |> Array.map (fun handle -> tensor name (nativeint handle))

    /// The result, which leaves the scope.
    member _.Return(i, x: Tensor) = Marshal.WriteIntPtr(at i, x.DecoupleFromNativeHandle())

/// The sizes of two tensors' sum.
let private broadcast (a: int64 array) (b: int64 array) =
    let d = max a.Length b.Length
    let padded (x: int64 array) = Array.append (Array.create (d - x.Length) 1L) x
    Array.map2 max (padded a) (padded b)

let private like (x: Tensor) (sizes: int64 array) = torch.zeros (sizes, x.dtype, meta.Value)

let private kernels: (string * (string -> Call -> unit)) list =
    [
        "where.self",
        fun name call ->
            let mask, a, b = call.Tensor(name, 0), call.Tensor(name, 1), call.Tensor(name, 2)
            call.Return(0, like a (broadcast mask.shape (broadcast a.shape b.shape)))

        // It has one there that does not check where the tensors are, as CUDA's does.
        "cat",
        fun name call ->
            let parts, dim = call.Tensors(name, 0), int (call.Integer 1)
            let sizes = parts[0].shape
            sizes[dim] <- parts |> Array.sumBy (fun part -> part.shape[dim])
            call.Return(0, like parts[0] sizes)

        for elementwise in [ "relu"; "abs" ] do
            elementwise,
            fun name call ->
                let x = call.Tensor(name, 0)
                call.Return(0, like x x.shape)

        "convolution_overrideable",
        fun name call ->
            let x, w = call.Tensor(name, 0), call.Tensor(name, 1)
            call.Optional(name, 2) |> ignore
            let stride, padding, dilation = call.Integers 3, call.Integers 4, call.Integers 5
            call.Integers 7 |> ignore

            let length i = (x.shape[2 + i] + 2L * padding[i] - dilation[i] * (w.shape[2 + i] - 1L) - 1L) / stride[i] + 1L

            call.Return(0, like x [| x.shape[0]; w.shape[0]; length 0; length 1 |])

        "convolution_backward_overrideable",
        fun name call ->
            let dy, x, w = call.Tensor(name, 0), call.Tensor(name, 1), call.Tensor(name, 2)

            for list in 3..5 do
                call.Integers list |> ignore

            call.Integers 7 |> ignore
            call.Integers 9 |> ignore
            call.Return(0, like x x.shape)
            call.Return(1, like x w.shape)
            call.Return(2, like dy [| dy.shape[1] |])

        "native_batch_norm",
        fun name call ->
            let x = call.Tensor(name, 0)

            for i in 1..4 do
                call.Optional(name, i) |> ignore

            call.Return(0, like x x.shape)

            for i in 1..2 do
                call.Return(i, like x [| x.shape[1] |])

        "native_batch_norm_backward",
        fun name call ->
            let x = call.Tensor(name, 0)
            call.Tensor(name, 1) |> ignore

            for i in 2..6 do
                call.Optional(name, i) |> ignore

            call.Return(0, like x x.shape)

            for i in 1..2 do
                call.Return(i, like x [| x.shape[1] |])
    ]

/// Registers the kernels, once; libtorch calls them from then on, so they are never let go.
let private registered =
    lazy
        let mutable library = 0n

        let check what code =
            if code <> 0 then
                invalidOp $"libtorch refuses {what}"

        imported<NewLibrary>("aoti_torch_library_init_impl").Invoke("aten", "Meta", "MetaKernels.fs", 0u, &library)
        |> check "a library"

        kernels
        |> List.map (fun (name, body) ->
            let kernel =
                Kernel(fun stack _ _ ->
                    use _ = torch.NewDisposeScope()
                    body name (Call stack))

            imported<Register>("torch_library_impl").Invoke(library, name, kernel, version) |> check name
            kernel)

/// Runs the body with kernels on `meta`; what they were given that is elsewhere is returned.
let onMeta (body: torch.Device -> unit) : string list =
    registered.Force() |> ignore
    strays.Clear()
    use _ = torch.NewDisposeScope()
    body meta.Value
    strays |> Seq.distinct |> Seq.toList
