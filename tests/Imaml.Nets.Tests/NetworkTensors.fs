/// Tensors as these tests draw and compare them: in double precision, from explicit seeds.
///
/// Tests that use libtorch's own operations run one after another (`testSequenced`): TorchSharp's numbers are not safe while other threads
/// allocate (see HeldScalars).
module Imaml.Nets.Tests.Tensors

open System
open System.Diagnostics
open System.Threading
open Expecto
open TorchSharp
open Imaml.Nets.Tensors

type Tensor = torch.Tensor

/// The distance from 1 to the next number in double precision, twice the error of one rounding.
let epsilon = 2.0 ** -52.0

/// A test whose tensors are freed with it.
let scoped name (body: unit -> unit) =
    testCase name (fun () ->
        use _ = torch.NewDisposeScope()
        body ())

/// Runs the body while another thread makes the garbage collector run, and pauses as long as that took: a collection waits for every thread, which takes long on a busy
/// machine. TorchSharp's numbers would not stay what they are (see HeldScalars).
let besideCollections (collect: unit -> unit) (body: unit -> 'a) : 'a =
    use stop = new CancellationTokenSource()

    let collector =
        Thread(fun () ->
            while not stop.IsCancellationRequested do
                let clock = Stopwatch.StartNew()
                collect ()
                Thread.Sleep(1 + int clock.ElapsedMilliseconds))

    collector.Start()

    try
        body ()
    finally
        stop.Cancel()
        collector.Join()

/// Standard normal numbers.
let normal (seed: int) (sizes: int list) : Tensor =
    use generator = new torch.Generator(uint64 seed, torch.CPU)
    torch.randn (sizes |> List.map int64 |> List.toArray, dtype = torch.float64, generator = generator)

let scaled (factor: float) (x: Tensor) : Tensor = HeldScalars.Times(x, factor)

/// x + t·w
let along (x: Tensor) (w: Tensor) (t: float) : Tensor = HeldScalars.PlusMultiple(x, t, w)

let number (x: Tensor) = HeldScalars.Number x
let norm (x: Tensor) = number (x.norm ())
let inner (x: Tensor) (y: Tensor) = number (x.mul(y).sum())
let sizes (x: Tensor) = x.shape |> Array.map int |> Array.toList

/// All numbers in row-major order.
let numbers (x: Tensor) : float[] =
    if x.numel () = 0L then
        [||]
    else
        x.detach().to_type(torch.float64).cpu().contiguous().data<float>().ToArray()

let row (task: int) (x: Tensor) : Tensor = x[int64 task]

/// Row `task` replaced.
let withRow (task: int) (value: Tensor) (x: Tensor) : Tensor =
    torch.stack (Array.init (int x.shape[0]) (fun i -> if i = task then value else row i x))

/// |actual − expected| ≤ tolerance
let near (tolerance: float) (expected: float) (actual: float) (what: string) =
    if not (abs (actual - expected) <= tolerance) then
        failtest $"{what}: {actual} is not within {tolerance} of {expected}"

/// ‖actual − expected‖ ≤ tolerance, and the sizes are the same.
let close (tolerance: float) (expected: Tensor) (actual: Tensor) (what: string) =
    Expect.equal (sizes actual) (sizes expected) $"{what}, sizes"
    let error = norm (actual.sub expected)

    if not (error <= tolerance) then
        failtest $"{what}: off by {error}, which exceeds {tolerance}; the norm is {norm expected}"

/// ‖actual − expected‖ ≤ tolerance·‖expected‖
let agree (tolerance: float) (expected: Tensor) (actual: Tensor) (what: string) = close (tolerance * norm expected) expected actual what

/// Equal to the last bit.
let same (expected: Tensor) (actual: Tensor) (what: string) =
    Expect.equal (sizes actual) (sizes expected) $"{what}, sizes"

    if
        Array.map BitConverter.DoubleToInt64Bits (numbers actual)
        <> Array.map BitConverter.DoubleToInt64Bits (numbers expected)
    then
        failtest $"{what}: not equal to the last bit, off by {norm (actual.sub expected)}"

/// f′(0) by the central difference D(h) = (f(h) − f(−h))/2h, and a bound on its error: D(2h) − D(h) is three times D(h)'s truncation error
/// up to O(h⁴), and values that are off by at most `rounding` in norm make D(h) wrong by at most rounding/h.
let centralDifference (f: float -> Tensor) (h: float) (rounding: float) =
    let d h = f(h).sub(f -h) |> scaled (0.5 / h)
    let once = d h
    struct (once, norm (once.sub (d (2.0 * h))) + rounding / h)
