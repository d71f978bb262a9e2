/// Problems for `imaml solve`, as text and as the matrices that they are made of.
module Imaml.Cli.Tests.SolveProblems

open System
open System.Globalization
open System.IO
open System.Text
open System.Threading
open MathNet.Numerics.LinearAlgebra
open Imaml.Cli.Problems
open Imaml.Math
open Imaml.Theory

let vector (values: float[]) = Vector<float>.Build.DenseOfArray values

let private number (value: float) = value.ToString("R", CultureInfo.InvariantCulture)

let private numbers (values: seq<float>) = "[" + String.Join(", ", values |> Seq.map number) + "]"

let private rows (a: Matrix<float>) = "[" + String.Join(", ", a.EnumerateRows() |> Seq.map (fun row -> numbers row)) + "]"

/// L̂ = ½φᵀHφ + bᵀφ, L = ½φᵀAφ + cᵀφ, Λ and θ.
type Quadratics =
    {
        H: Matrix<float>
        B: Vector<float>
        A: Matrix<float>
        C: Vector<float>
        Theta: Vector<float>
        Lambda: Proximal
    }

    member q.Dense = Proximal.dense q.Theta.Count q.Lambda
    /// M = H + Λ
    member q.M = q.H + q.Dense
    /// φ* = M⁻¹(Λθ − b), from Hφ + b + Λ(φ − θ) = 0.
    member q.Solution = q.M.Solve(q.Dense * q.Theta - q.B)
    /// v(φ) = ∇L(φ)
    member q.V(phi: Vector<float>) = q.A * phi + q.C

    /// (I − αM)ᵏ
    member q.Power(step: float, k: int) =
        Seq.replicate k (Matrix<float>.Build.DenseIdentity q.Theta.Count - step * q.M)
        |> Seq.fold (*) (Matrix<float>.Build.DenseIdentity q.Theta.Count)

    /// φ_T = φ* + (I − αM)ᵀ(θ − φ*), after T steps of gradient descent from θ.
    member q.Descended(step: float, t: int) = q.Solution + q.Power(step, t) * (q.Theta - q.Solution)

    member q.Text =
        let lambda =
            match q.Lambda with
            | Proximal.Scalar lambda -> $"\"scalar\", \"lambda\": {number lambda}"
            | Proximal.Diagonal lambdas -> $"\"diagonal\", \"lambda\": {numbers lambdas}"
            | Proximal.Matrix matrix -> $"\"matrix\", \"lambda\": {rows matrix}"

        let loss a b = $"{{\"kind\": \"quadratic\", \"A\": {rows a}, \"b\": {numbers b}}}"

        $"{{\"inner\": {loss q.H q.B}, \"outer\": {loss q.A q.C}, \"theta\": {numbers q.Theta}, \"regularizer\": {{\"kind\": {lambda}}}}}"

/// Random ones with largest eigenvalue 1 and condition number κ of H and of A, a Λ of every kind.
let quadratics seed d condition =
    let random = Random seed

    let q lambda =
        {
            H = Spectrum.positiveDefinite random d condition
            B = Spectrum.gaussian random d
            A = Spectrum.positiveDefinite random d condition
            C = Spectrum.gaussian random d
            Theta = Spectrum.gaussian random d
            Lambda = lambda
        }

    [
        q (Proximal.Scalar 0.7)
        q (Proximal.Diagonal(Vector<float>.Build.Dense(d, fun j -> 0.3 + float j / 4.0)))
        q (Proximal.Matrix(Spectrum.positiveDefinite random d 5.0))
    ]

/// All tasks of a file.
let parseAll (text: string) = ProblemFile.Parse(ReadOnlyMemory(Encoding.UTF8.GetBytes text))

/// The one task of a file.
let parse (text: string) = parseAll text |> Seq.exactlyOne

let sample name =
    ProblemFile.Read(Path.Combine(AppContext.BaseDirectory, "samples", "problems", name + ".json"))
    |> Seq.exactlyOne

/// Nothing is asked for but the method.
let request (method: Method) = SolveRequest(method, Nullable(), Nullable(), Nullable(), Nullable(), Nullable())

let toAccuracy (epsilon: float) = SolveRequest(Method.Implicit, Nullable epsilon, Nullable(), Nullable(), Nullable(), Nullable())

let budget (n: int) (m: int) (step: float) = SolveRequest(Method.Implicit, Nullable(), Nullable n, Nullable m, Nullable step, Nullable())

let steps (method: Method) (n: int) (step: float) = SolveRequest(method, Nullable(), Nullable n, Nullable(), Nullable step, Nullable())

let truncated (n: int) (k: int) (step: float) =
    SolveRequest(Method.Truncated, Nullable(), Nullable n, Nullable(), Nullable step, Nullable k)

let solve (problem: Problem) (asked: SolveRequest) = ProblemSolver.Solve(problem, asked, CancellationToken.None)

let value (number: Nullable<float>) = number.Value

let values (numbers: Nullable<float>[]) = numbers |> Array.map value |> vector
