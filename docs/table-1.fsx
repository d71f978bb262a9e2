(**
---
title: Table 1
category: The mathematics
categoryindex: 1
index: 5
---
# Table 1: what a meta-gradient costs

| method | compute, in $\nabla\hat L$ | memory | error |
|---|---|---|---|
| MAML, gradient descent | $\kappa \log(D/\delta)$ | $\mathrm{Mem}(\nabla\hat L)\cdot\kappa \log(D/\delta)$ | 0 |
| MAML, Nesterov | $\sqrt\kappa \log(D/\delta)$ | $\mathrm{Mem}(\nabla\hat L)\cdot\sqrt\kappa \log(D/\delta)$ | 0 |
| truncated back-propagation | $\kappa \log(D/\delta)$ | $\mathrm{Mem}(\nabla\hat L)\cdot\kappa \log(1/\varepsilon)$ | $\varepsilon$ |
| implicit MAML | $\sqrt\kappa \log(D/\delta)$ | $\mathrm{Mem}(\nabla\hat L)$ | $\delta$ |

$D \ge \|\theta - \varphi^\star\|$. The error of the first three rows is against the derivative of the iterate $\varphi_T$ (approximate-solve error), that of the last against
$d_\theta L(\mathrm{Alg}^\star(\theta))$ (exact-solve error). The table follows from the derivative of an iteration by $\theta$.

The code is `MetaGradients/Unrolled.fs` (reverse mode, whole and truncated), `ForwardMode.fs` and `ImplicitMetaGradient.fs` in `src/Imaml.Math.FSharp`;
it is counted by `Problem/CountingProblem.fs` and `Spaces/CountingSpace.fs`.
*)

(*** hide ***)
#I "../proofs-checks/bin/Release/net10.0"
#r "MathNet.Numerics.dll"
#r "Imaml.Math.FSharp.dll"
#r "Imaml.Theory.dll"
#load "Page.fs"

(** On this page: quadratic tasks, where the iterations can be followed in closed form. *)

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Page

let random = Random 1
let d = 6

let task =
    BilevelTask.create (Quadratic.random random d 20.0) (Quadratic.random random d 5.0) (Proximal.Scalar 0.05) (Spectrum.gaussian random d)

let c = BilevelTask.constants task
let problem = BilevelTask.problem task
let regularizer = ScalarRegularizer<Vector<float>, float> 0.05
let alpha = 1.0 / c.Smoothness

let path momentum steps =
    {
        Momentum = momentum
        Step = alpha
        Steps = steps
    }

(**
## The derivative of an iterate

Let $H$ be constant and $M = H + \Lambda$. A gradient step $\varphi_{t+1} = \varphi_t - \alpha(\nabla\hat L(\varphi_t) + \Lambda(\varphi_t - \theta))$ from $\varphi_0 = \theta$ has

$$J_{t+1} = (I - \alpha M)J_t + \alpha\Lambda, \qquad J_0 = I .$$

Its fixed point is Lemma 1's $J = M^{-1}\Lambda$, and the distance to it obeys $J_{t+1} - J = (I - \alpha M)(J_t - J)$. So after $T$ steps MAML computes

$$g_T = J_T^\top v_T, \qquad J_T = J + (I - \alpha M)^T (I - J), \qquad v_T = \nabla L(\varphi_T) .$$

Nesterov's $\varphi_{t+1} = y - \alpha\nabla G(y)$ with $y = \varphi_t + b(\varphi_t - \varphi_{t-1})$ has $J_{t+1} = (I - \alpha M)\bigl[(1 + b)J_t - bJ_{t-1}\bigr] + \alpha\Lambda$; heavy ball takes its gradient at
$\varphi_t$, so there $J_{t+1} = (I - \alpha M)J_t + b(J_t - J_{t-1}) + \alpha\Lambda$.

Back-propagation through the last $K$ steps only takes $\varphi_{T-K}$ for a constant, $J_{T-K} = 0$, and the recurrence sums to a Neumann series:

$$g_{T,K} = \alpha\Lambda \sum_{k<K} (I - \alpha M)^k v_T = \Lambda M^{-1}\bigl[I - (I - \alpha M)^K\bigr]v_T .$$
*)

let identity = Matrix<float>.Build.DenseIdentity d
let m = BilevelTask.shiftedHessian task task.Theta
let jacobian = BilevelTask.jacobian task task.Theta
let contraction = identity - alpha * m

/// (I − αM)ⁿ
let power steps = Seq.fold (fun a _ -> contraction * a) identity (seq { 1..steps })

let maml momentum steps = Unrolled.compute (path momentum steps) space regularizer problem task.Theta

let truncated steps last = Truncated.compute (path NoMomentum steps) last space regularizer problem task.Theta

/// J_T by the recurrence of a method: the next J from the last two.
let recurrence next steps =
    let struct (last, _) =
        Seq.fold (fun struct (j, previous) _ -> struct (next j previous, j)) struct (identity, identity) (seq { 1..steps })

    last

let b = 0.5
let pull = alpha * 0.05 * identity
let at (result: MetaGradient<Vector<float>, float>) = task.Outer.Gradient result.Phi

// T products with d × d matrices, each of at most 2d² roundings, which the iterations damp.
let near (x: Vector<float>) (y: Vector<float>) steps = (x - y).L2Norm() <= float (4 * steps * d * d) * 2.0 ** -53.0 * y.L2Norm()

let closed steps last =
    let descent, nesterov, heavyBall, cut =
        maml NoMomentum steps, maml (Nesterov b) steps, maml (HeavyBall b) steps, truncated steps last

    [
        near descent.Gradient ((jacobian + power steps * (identity - jacobian)).TransposeThisAndMultiply(at descent)) steps

        let ahead (j: Matrix<float>) (previous: Matrix<float>) = contraction * ((1.0 + b) * j - b * previous) + pull
        near nesterov.Gradient ((recurrence ahead steps).TransposeThisAndMultiply(at nesterov)) steps

        let rolling (j: Matrix<float>) (previous: Matrix<float>) = contraction * j + b * (j - previous) + pull
        near heavyBall.Gradient ((recurrence rolling steps).TransposeThisAndMultiply(at heavyBall)) steps

        near cut.Gradient (jacobian.TransposeThisAndMultiply((identity - power last) * at cut)) steps
    ]

holds
    "MAML by gradient descent, Nesterov and heavy ball, and truncation, have these closed forms"
    (List.forall id (closed 3 1 @ closed 10 4 @ closed 40 10))
(*** include-output ***)

(**
## The errors

Against $d_\theta L(\varphi_T)$ MAML has no error. Against the exact meta-gradient $J^\top v_\star$ it has that of the implicit gradient at the same $\varphi_T$, which is
$J^\top(v_T - v_\star)$, and one more:

$$g_T - J^\top v_\star = J^\top(v_T - v_\star) + (I - J)^\top(I - \alpha M)^T v_T .$$

If $L = \hat L$, $\Lambda = \lambda I$ and $\alpha \le 1/\beta$, both terms have the same sign along every eigenvector of $H$. For along one of eigenvalue $h > 0$, with $w$ the minimiser of $\hat L$ and
$s = (1 - \alpha(h + \lambda))^T \in [0, 1)$, all of these are multiples of $\theta - w$ by numbers that are not negative:

$$\varphi^\star - w = \tfrac\lambda{h + \lambda}(\theta - w), \qquad
v_T - v_\star = hs\,\tfrac h{h + \lambda}(\theta - w), \qquad
v_T = h\,\tfrac{\lambda + hs}{h + \lambda}(\theta - w) .$$

So the implicit gradient is nearer to the exact one than MAML's, after the same inner steps; in general the terms may cancel and MAML's may be nearer.
Truncation has an error of $\|\Lambda M^{-1}(I - \alpha M)^Kv_T\| \le \frac{\|\Lambda\|}\mu(1 - \alpha\mu)^K\|v_T\|$ in addition to the implicit gradient's error, so an error of $\varepsilon$, relative to $\frac{\|\Lambda\|}\mu\|v_T\|$, takes
$K \approx \kappa\ln(1/\varepsilon)$ steps. $K = T$ is not MAML, for $\theta$ as the path's *start* is a constant too.

On 100 linear regressions in $\mathbb R^{10}$, relative errors against the exact meta-gradient, the median of each:
*)

let regressions =
    [
        for seed in 1..100 do
            let random = Random seed
            let struct (inner, outer) = LinearRegression.random random 20 20 10 20.0
            BilevelTask.create inner outer (Proximal.Scalar 0.1) (Spectrum.gaussian random 10)
    ]

/// ‖g − g*‖/‖g*‖ of MAML, of truncation to K = T/2, of the implicit gradient with 2 and 5 CG steps and with an exact solve.
let errorsAfter steps (task: BilevelTask) =
    let exact = BilevelTask.exactMetaGradient task
    let error (g: Vector<float>) = (g - exact).L2Norm() / exact.L2Norm()
    let problem, regularizer = BilevelTask.problem task, Proximal.regularizer task.Proximal
    let step = 1.0 / (BilevelTask.constants task).Smoothness

    let options =
        {
            Momentum = NoMomentum
            Step = step
            Steps = steps
        }

    let unrolled = Unrolled.compute options space regularizer problem task.Theta

    let implicit linearSteps =
        ImplicitMetaGradient.Compute(
            space,
            regularizer,
            problem,
            GradientDescentSolver(ConstantStep step, steps),
            ConjugateGradientSolver(budget linearSteps),
            Thresholds.None,
            task.Theta
        )

    [|
        error unrolled.Gradient
        error (Truncated.compute options (steps / 2) space regularizer problem task.Theta).Gradient
        error (implicit 2).Gradient
        error (implicit 5).Gradient
        error (BilevelTask.implicitGradient task unrolled.Phi)
    |]

let median values = (List.sort values)[List.length values / 2]

printfn "T     MAML     truncated   2 CG     5 CG     exact solve   the last nearer than MAML"

let table =
    [
        for steps in [ 4; 8; 16; 32; 64; 128 ] do
            let errors = regressions |> List.map (errorsAfter steps)
            let middle method = median (errors |> List.map (fun (e: float[]) -> e[method]))
            let nearer = errors |> List.filter (fun e -> e[4] < e[0]) |> List.length

            printfn
                $"{steps, 3}   {short (middle 0), -6}   {short (middle 1), -9}   {short (middle 2), -6}   {short (middle 3), -6}   {short (middle 4), -11}   {nearer} of 100"

            Array.init 5 middle
    ]

let last = List.last table
holds "MAML and the implicit gradient converge to the exact one" (last[0] < 1e-4 && last[4] < 1e-4)
holds "2 CG steps leave a floor that 5 steps lower" (last[2] > 0.1 && last[3] < last[2] / 10.0)

holds
    "if L = L̂ the implicit gradient is nearer than MAML's on every task"
    (List.allPairs [ 4; 16; 64 ] regressions
     |> List.forall (fun (steps, task) ->
         let errors = errorsAfter steps { task with Outer = task.Inner }
         errors[4] < errors[0]))
(*** include-output ***)

(**
## Memory and compute, for T inner steps

Reverse mode needs the iterates again, last first: one vector for each step that is differentiated. The implicit gradient needs the last one. Counted on the
code that runs, for one step more:
*)

let count (strategy: CountingSpace<Vector<float>, float> -> IMetaGradientStrategy<_, _>) =
    let counting = CountingSpace space
    let counted = CountingProblem(counting, problem)
    use _ = (counting :> IInnerProductSpace<_, _>).OpenRegion()

    (strategy counting).Compute(counting, ScalarRegularizer 0.05, counted, counting.Track task.Theta)
    |> ignore

    [|
        counted.Count.Gradients
        counted.Count.HessianProducts
        counting.MostVectors
    |]

let implicitly inner linear =
    count (fun counting ->
        ImplicitStrategy(GradientDescentSolver(ConstantStep alpha, inner), ConjugateGradientSolver(budget linear), Thresholds.None))

let unrolled momentum steps = count (fun _ -> UnrolledStrategy(path momentum steps))
let cut steps last = count (fun _ -> TruncatedStrategy(path NoMomentum steps, last))

/// By how much the counts rise for each of 40 steps more.
let slope (counts: int -> int[]) = Array.map2 (fun many few -> float (many - few) / 40.0) (counts 60) (counts 20)

let growth =
    [
        "MAML, gradient descent", "inner step", slope (unrolled NoMomentum), [| 2.0; 1.0; 1.0 |]
        "MAML, Nesterov", "inner step", slope (unrolled (Nesterov b)), [| 2.0; 1.0; 1.0 |]
        "truncated", "inner step", slope (fun steps -> cut steps 10), [| 1.0; 0.0; 0.0 |]
        "truncated", "step differentiated", slope (cut 100), [| 1.0; 1.0; 1.0 |]
        "implicit", "inner step", slope (fun steps -> implicitly steps 5), [| 1.0; 0.0; 0.0 |]
        "implicit", "CG step", slope (implicitly 16), [| 0.0; 1.0; 0.0 |]
    ]

printfn "method                   for each …            gradients   products   vectors"

for name, unit, (counted: float[]), _ in growth do
    printfn $"{name, -24} {unit, -20}  {counted[0], 9}   {counted[1], 8}   {counted[2], 7}"

holds "the counts are those of Table 1" (growth |> List.forall (fun (_, _, counted, expected) -> counted = expected))
(*** include-output ***)

(**
## The number of steps: κ or √κ

[Error bounds](error-bounds.fsx) derives $\kappa\ln(R/\delta)$ for gradient descent, $2\sqrt\kappa\ln(\sqrt{\kappa + 1}\,R/\delta)$ for Nesterov and $\frac{\sqrt\kappa}2\ln(\cdot)$ for CG. Measured: steps until
$\|\nabla G\|/\mu \le 10^{-4}D$, and CG steps to a relative residual of $10^{-4}$ for a random $v$, on $1000$ eigenvalues at the Chebyshev points of $[\mu, \beta]$, close to the worst case for CG; the slope is
that of $\log(\text{steps})$ over $\log\kappa$, by least squares.
*)

let steps (kappa: float) =
    let n = 1000
    let mu, beta = 1.0 / kappa, 1.0

    let nodes =
        Vector<float>.Build.Dense(n, fun i -> (beta + mu) / 2.0 + (beta - mu) / 2.0 * cos (Math.PI * (float i + 0.5) / float n))
    // Λ = (µ/2)I and H = M − Λ; φ* is a random point, θ = 0.
    let lambda = mu / 2.0
    let solution = Spectrum.gaussian (Random 7) n
    let h (w: Vector<float>) = (nodes - lambda).PointwiseMultiply w
    let slope = nodes.PointwiseMultiply solution
    let zero = Vector<float>.Build.Dense n

    let problem =
        BilevelProblem.FromDelegates<Vector<float>, float>(
            (fun phi -> 0.5 * phi.DotProduct(h phi) - slope.DotProduct phi),
            (fun phi -> h phi - slope),
            (fun _ w -> h w),
            (fun _ -> 0.0),
            (fun _ -> zero)
        )

    let descend step momentum =
        let solver =
            GradientDescentSolver(ConstantStep step, momentum, 1_000_000, 1) :> IInnerSolver<Vector<float>, float>

        let accuracy = mu * 1e-4 * solution.L2Norm()
        int (solver.Solve(space, ScalarRegularizer lambda, problem, zero, zero, accuracy).Counts.Steps)

    let struct (step, momentum) = Momentum.NesterovFor(mu, beta)

    let solve =
        let solver: ILinearSolver<Vector<float>, float> =
            ConjugateGradientSolver(LinearSolveOptions.ToTolerance(10_000, 1e-4))

        solver.Solve(space, LinearOperator.Of(fun w -> nodes.PointwiseMultiply w), Spectrum.gaussian (Random 8) n, 0.0)

    [|
        descend (1.0 / beta) NoMomentum
        descend step momentum
        int solve.Counts.Steps
    |]

let kappas = [| 10.0; 100.0; 1000.0; 10000.0 |]
let measured = kappas |> Array.map steps

/// Least squares of log(steps) on log κ.
let exponent method =
    let x = kappas |> Array.map log
    let y = measured |> Array.map (fun (steps: int[]) -> log (float steps[method]))
    let mean = Array.average x
    let deviation = x |> Array.map (fun x -> x - mean)
    Array.sum (Array.map2 (*) deviation y) / Array.sumBy (fun d -> d * d) deviation

printfn "κ       gradient descent   Nesterov     CG"

for i in 0 .. kappas.Length - 1 do
    printfn $"{kappas[i], 5}   {measured[i][0], 16}   {measured[i][1], 8}   {measured[i][2], 4}"

printfn $"slope   {exponent 0, 16:F2}   {exponent 1, 8:F2}   {exponent 2, 4:F2}"

holds "gradient descent takes steps like κ" (abs (exponent 0 - 1.0) <= 0.1)
holds "Nesterov and CG take steps like √κ" (abs (exponent 1 - 0.5) <= 0.1 && abs (exponent 2 - 0.5) <= 0.1)
(*** include-output ***)

(*** hide ***)
let line name method = name, [ for i, kappa in Array.indexed kappas -> kappa, float (measured[i][method]) ]

chart "κ" "steps" [ line "gradient descent" 0; line "Nesterov" 1; line "CG" 2 ]
(*** include-it-raw ***)

(**
So a meta-gradient that is to be accurate costs $\sqrt\kappa\log(D/\delta)$ gradients and products, in memory that does not depend on $\kappa$ or $\delta$, with Nesterov's inner
solver and CG. On networks $\kappa$ is unknown, and any inner solver can be used.
*)
