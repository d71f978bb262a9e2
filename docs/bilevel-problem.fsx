(**
---
title: The bi-level problem
category: The mathematics
categoryindex: 1
index: 1
---
# The bi-level problem

A task has a training loss $\hat L$ (support set) and a test loss $L$ (query set), both on $\mathbb R^d$. From meta-parameters $\theta$ it is
learned by minimising

$$G(\varphi, \theta) = \hat L(\varphi) + \tfrac12 (\varphi - \theta)^\top \Lambda\, (\varphi - \theta),
\qquad \mathrm{Alg}^\star(\theta) = \operatorname*{arg\,min}_\varphi G(\varphi, \theta) \tag{3, 4}$$

with $\Lambda$ symmetric positive definite, $\Lambda = \lambda I$ in the paper. What is minimised in $\theta$ is the loss of the *solutions*, over $M$ tasks:

$$F(\theta) = \frac1M \sum_{i=1}^M L_i\bigl(\mathrm{Alg}_i^\star(\theta)\bigr) \tag{1}$$

In the code a task is an `IBilevelProblem` (`src/Imaml.Math.FSharp/Problem/BilevelProblem.fs`, with `InnerObjective` for $G$), $\Lambda$ an
`IRegularizer` (`Problem/Regularizer.fs`), the mean over tasks a fold (`MetaLearning/MetaLearning.fs`).
*)

(*** hide ***)
#I "../proofs-checks/bin/Release/net10.0"
#r "MathNet.Numerics.dll"
#r "Imaml.Math.FSharp.dll"
#r "Imaml.Theory.dll"
#load "Page.fs"

(** On this page: 12 examples to learn from and 40 to be tested on, logistic regression in $\mathbb R^3$. *)

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Page

let struct (inner, outer) = LogisticRegression.random (Random 1) 12 40 3
let theta = Vector<float>.Build.Dense 3
let task lambda = BilevelTask.create inner outer (Proximal.Scalar lambda) theta

(**
## One solution, if G is strongly convex

$\nabla^2_\varphi G = H(\varphi) + \Lambda$ with $H = \nabla^2 \hat L$. Where its eigenvalues are at least $\mu > 0$ everywhere, $G(\cdot, \theta)$ has exactly one
minimiser, and

$$\|\nabla_\varphi G(\varphi, \theta)\| \ge \mu\, \|\varphi - \mathrm{Alg}^\star(\theta)\|,$$

so that a gradient norm bounds the distance to the solution: Definition 1's $\delta$ is at most $\|\nabla G\|/\mu$. A convex $\hat L$ has $\mu \ge \lambda_{\min}(\Lambda)$.
A loss with curvature $-1$ somewhere needs $\lambda > 1$, as the constants show (`ErrorBounds/Constants.fs`):
*)

let saddle = Quadratic.loss (Matrix<float>.Build.DiagonalOfDiagonalArray [| -1.0; 2.0; 3.0 |]) theta 0.0

let convexity lambda = BilevelTask.constants (BilevelTask.create saddle outer (Proximal.Scalar lambda) theta)

for lambda in [ 0.5; 1.5 ] do
    printfn $"λ = {lambda}: µ = {(convexity lambda).StrongConvexity:F6}, {(convexity lambda).Kind}"

holds "λ = 0.5 gives no bound, λ = 1.5 one" ((convexity 0.5).Kind = BoundKind.None && (convexity 1.5).Kind = BoundKind.Certified)
(*** include-output ***)

(**
## λ limits the distance to θ

Let $\varphi$, $\varphi'$ be the solutions for $\lambda < \lambda'$. Each minimises its own $G$:

$$\hat L(\varphi) + \tfrac\lambda2\|\varphi - \theta\|^2 \le \hat L(\varphi') + \tfrac\lambda2\|\varphi' - \theta\|^2,
\qquad \hat L(\varphi') + \tfrac{\lambda'}2\|\varphi' - \theta\|^2 \le \hat L(\varphi) + \tfrac{\lambda'}2\|\varphi - \theta\|^2.$$

Their sum is $(\lambda' - \lambda)(\|\varphi' - \theta\|^2 - \|\varphi - \theta\|^2) \le 0$: a larger $\lambda$ stays nearer to $\theta$, and by the first line it fits the
training set less. The test loss may go either way; here it is best in between, which is why $\Lambda$ is worth learning.
*)

let solutions =
    [ for exponent in -3 .. 3 -> 10.0 ** float exponent ]
    |> List.map (fun lambda -> struct (lambda, BilevelTask.exactSolution (task lambda) theta))

printfn "λ           ‖φ* − θ‖     L̂(φ*)     L(φ*)"

for struct (lambda, phi) in solutions do
    printfn $"{lambda, 8}  {(phi - theta).L2Norm(), 10:F4}  {inner.Value phi, 8:F4}  {outer.Value phi, 8:F4}"

let pairs = List.pairwise solutions

holds
    "a larger λ stays nearer to θ, and fits the training set less"
    (pairs
     |> List.forall (fun (struct (_, near), struct (_, far)) ->
         (far - theta).L2Norm() < (near - theta).L2Norm() && inner.Value far > inner.Value near))

let losses = solutions |> List.map (fun (struct (_, phi)) -> outer.Value phi)
holds "the test loss is smallest between the ends" (List.min losses < min (List.head losses) (List.last losses))
(*** include-output ***)

(*** hide ***)
chart
    "λ"
    ""
    [
        "distance ‖φ* − θ‖", [ for struct (lambda, phi) in solutions -> lambda, (phi - theta).L2Norm() ]
        "training loss L̂(φ*)", [ for struct (lambda, phi) in solutions -> lambda, inner.Value phi ]
        "test loss L(φ*)", [ for struct (lambda, phi) in solutions -> lambda, outer.Value phi ]
    ]
(*** include-it-raw ***)

(**
The proximal term belongs to the problem, not to a solver. Without it $\mathrm{Alg}^\star$ does not depend on $\theta$, and the derivative of $F$ is zero: an
implicit gradient is then not the gradient of the solved problem.

## The solution does not depend on the path

$F$ depends on the minimiser only. Three solvers reach it by different paths; each solution's distance from $\mathrm{Alg}^\star(\theta)$ is bounded by
$\|\nabla G\|/\mu$, so any two are within the sum of their bounds (`InnerSolvers/GradientDescent.fs`, `Newton.fs`, `Lbfgs.fs`).
*)

let regularizer = ScalarRegularizer<Vector<float>, float> 0.1
let mu = (BilevelTask.constants (task 0.1)).StrongConvexity

let solvers: (string * IInnerSolver<Vector<float>, float>) list =
    [
        "gradient descent", GradientDescentSolver(MeasuredCurvature, 1000, 1)
        "Newton–CG", NewtonConjugateGradientSolver(100, 3)
        "L-BFGS", LbfgsSolver(100, 5)
    ]

let ends =
    [
        for name, solver in solvers do
            let result = solver.Solve(space, regularizer, BilevelTask.problem (task 0.1), theta, theta, 1e-6)
            let delta = (BilevelTask.innerGradient (task 0.1) theta result.Phi).L2Norm() / mu
            printfn $"{name, -17} {int result.Counts.Steps, 3} steps   δ ≤ {short delta}   L(φ) = {outer.Value result.Phi:F9}"
            struct (result.Phi, delta)
    ]

holds
    "the solutions are as near to each other as their bounds say"
    (List.allPairs ends ends
     |> List.forall (fun (struct (a, deltaA), struct (b, deltaB)) -> (a - b).L2Norm() <= deltaA + deltaB))
(*** include-output ***)

(**
## The displacement is a gradient

At the minimiser $\nabla\hat L(\varphi^\star) = \Lambda(\theta - \varphi^\star)$. The *value* $e(\theta) = \min_\varphi G(\varphi, \theta)$, the Moreau envelope of the training loss, has by the
chain rule, as $\nabla_\varphi G = 0$ there,

$$\nabla e(\theta) = \nabla_\theta G(\varphi^\star, \theta) = \Lambda\,(\theta - \varphi^\star).$$

So Reptile, which moves $\theta$ along $\varphi - \theta$, descends the envelope of the training loss when its inner problem is solved; the test loss is not used
(`MetaGradients/FirstOrder.fs`). The check needs no small step: for a quadratic $\hat L$ the envelope is quadratic, and a central difference of
step 1 has no truncation error.
*)

let quadratic =
    BilevelTask.create (Quadratic.random (Random 2) 3 10.0) outer (Proximal.Scalar 0.1) (Spectrum.gaussian (Random 3) 3)

let envelope at = BilevelTask.innerObjective quadratic at (BilevelTask.exactSolution quadratic at)

let reptile =
    ReptileStrategy(ExactInnerSolver(EuclideanCoordinates(), 50), 0.0) :> IMetaGradientStrategy<Vector<float>, float>

let back =
    (reptile.Compute(space, regularizer, BilevelTask.problem quadratic, quadratic.Theta)).Gradient

for j in 0..2 do
    let e = Vector<float>.Build.Dense(3, fun i -> if i = j then 1.0 else 0.0)
    let difference = (envelope (quadratic.Theta + e) - envelope (quadratic.Theta - e)) / 2.0
    printfn $"∂e/∂θ{j + 1} = {difference:F12}   λ(θ − φ*){j + 1} = {0.1 * back[j]:F12}"
    // Two values of G, sums of about 20 terms: 100 roundings of their size, which is below 10.
    holds "they agree to rounding" (abs (difference - 0.1 * back[j]) <= 1000.0 * 2.0 ** -53.0)
(*** include-output ***)
