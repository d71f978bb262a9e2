(**
---
title: Algorithm 2
category: The mathematics
categoryindex: 1
index: 3
---
# Algorithm 2: the implicit meta-gradient

$\varphi^\star$ and the inverse of Lemma 1 can only be approximated, and that is enough:

1. $\varphi \approx \mathrm{Alg}^\star(\theta)$ by any inner solver, $\|\varphi - \mathrm{Alg}^\star(\theta)\| \le \delta$ (Definition 1);
2. $v = \nabla L(\varphi)$;
3. $u \approx (H(\varphi) + \Lambda)^{-1}v$ by conjugate gradients, $g = \Lambda u$, $\|g - \Lambda(H(\varphi) + \Lambda)^{-1}v\| \le \delta'$ (Definition 2).

The paper writes the system of step 3 as $(I + H/\lambda)g = v$; multiplied by $\lambda$ it is $(H + \lambda I)u = v$ with $g = \lambda u$, which stays symmetric for
every $\Lambda$. It is the optimality condition of

$$\min_u\; \tfrac12 u^\top (H + \Lambda) u - u^\top v , \tag{7}$$

and needs $H$ only in products $Hw$, each at about the price of a gradient. The code is `src/Imaml.Math.FSharp/MetaGradients/ImplicitMetaGradient.fs`, on
`LinearSolvers/ConjugateGradient.fs`.
*)

(*** hide ***)
#I "../proofs-checks/bin/Release/net10.0"
#r "MathNet.Numerics.dll"
#r "Imaml.Math.FSharp.dll"
#r "Imaml.Theory.dll"
#load "Page.fs"

(** On this page: a quadratic task in $\mathbb R^{40}$ with $\kappa = 1.01/0.011 \approx 92$, whose every quantity is known exactly. *)

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Page

let random = Random 1
let d = 40

let task =
    BilevelTask.create
        (Quadratic.loss (Spectrum.symmetric random (Spectrum.spread random d 0.001 1.0)) (Spectrum.gaussian random d) 0.0)
        (Quadratic.random random d 10.0)
        (Proximal.Scalar 0.01)
        (Spectrum.gaussian random d)

let c = BilevelTask.constants task
let problem = BilevelTask.problem task
let regularizer = ScalarRegularizer<Vector<float>, float> 0.01
let kappa = c.Condition

(**
## Why conjugate gradients

After $k$ products with $M = H + \Lambda$ any method that starts from $0$ and only multiplies has its iterate in the Krylov space
$\mathcal K_k = \operatorname{span}\{v, Mv, \dots, M^{k-1}v\}$, so its error is $u^\star - u_k = p(M)u^\star$ for a polynomial $p$ of degree $k$ with $p(0) = 1$.
Conjugate gradients choose the $u_k$ that minimises (7) over $\mathcal K_k$: the smallest possible $\|u^\star - u_k\|_M$, where $\|x\|_M^2 = x^\top Mx$.
No other choice of $p$ does better, including Chebyshev's on $[\mu, \beta]$:

$$\frac{\|u^\star - u_k\|_M}{\|u^\star\|_M} \le \min_{p(0) = 1}\, \max_{\mu \le x \le \beta} |p(x)|
= \frac1{T_k\bigl(\frac{\kappa + 1}{\kappa - 1}\bigr)} \le 2\,\Bigl(\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}\Bigr)^k
\le 2 e^{-2k/\sqrt\kappa} .$$

The Neumann series $\alpha\sum_{j<k}(I - \alpha M)^j v$ with $\alpha = 1/\beta$ is in the same space; its $p(x) = (1 - x/\beta)^k$ gives $(1 - 1/\kappa)^k$ only. It is what
back-propagation truncated to $k$ steps computes (page [Table 1](table-1.fsx)). Hence $\sqrt\kappa$ instead of $\kappa$.
*)

let m = BilevelTask.shiftedHessian task task.Theta
let v = task.Outer.Gradient(BilevelTask.exactSolution task task.Theta)
let exactU = m.Cholesky().Solve v
let energy (x: Vector<float>) = sqrt (x.DotProduct(m * x))

let solve (solver: ILinearSolver<Vector<float>, float>) = solver.Solve(space, LinearOperator.Of(fun w -> m * w), v, 0.0).Solution
let neumann steps = solve (NeumannSolver(1.0 / c.Smoothness, budget steps))

let rate k = 2.0 * ((sqrt kappa - 1.0) / (sqrt kappa + 1.0)) ** float k

printfn "k      CG         bound      Neumann"

let errors =
    [
        for k in [ 1; 2; 5; 10; 20; 30 ] do
            let cg = energy (exactU - solve (ConjugateGradientSolver(budget k))) / energy exactU
            let series = energy (exactU - neumann k) / energy exactU
            printfn $"{k, 3}    {short cg, -9}  {short (rate k), -9}  {short series}"
            struct (k, cg, series)
    ]

holds "CG is within its bound" (errors |> List.forall (fun (struct (k, cg, _)) -> cg <= rate k))
holds "no sum of the Neumann series is better" (errors |> List.forall (fun (struct (_, cg, series)) -> cg <= series))
(*** include-output ***)

(*** hide ***)
chart
    "products"
    "relative error, energy norm"
    [
        "CG", [ for struct (k, cg, _) in errors -> float k, cg ]
        "bound for CG", [ for struct (k, _, _) in errors -> float k, rate k ]
        "Neumann series", [ for struct (k, _, series) in errors -> float k, series ]
    ]
(*** include-it-raw ***)

(**
One step from $0$ gives $g = \lambda\frac{v^\top v}{v^\top Mv}\,v$: first-order MAML's direction, with the optimal length. Without a step, $A = I + H/\lambda$ is replaced by $I$:
first-order MAML, $g = v$.
*)

let firstStep =
    let u = solve (ConjugateGradientSolver(budget 1))
    u / (v.DotProduct v / v.DotProduct(m * v)) - v

// Sums of d terms, a product and a quotient.
holds "one CG step is ⟨v, v⟩/⟨v, Mv⟩ times v" (firstStep.L2Norm() <= 10.0 * float d * 2.0 ** -53.0 * v.L2Norm())
(*** include-output ***)

(**
## Where the curvature is zero to rounding

CG divides by $p^\top Mp$. Where $H + \Lambda$ is singular as far as the arithmetic can tell, that is rounding: $p^\top Mp \le c\,\varepsilon\,a\,\|p\|^2$, $a$ the largest quotient met and $c$ of
the order of $\sqrt d$, is a curvature of unknown sign, and the step along $p$ is of length $1/\varepsilon$. The directions before it are mixtures of it: their quotients fall
through all orders of magnitude, as they would for a small $\lambda$, and the residual rises, to $\sqrt\kappa\|v\|$ at most where $H + \Lambda$ is positive definite. So steps from where
$\|r\|$ has passed $100\|v\|$ are held apart, and are part of the answer only if the tolerance is met, if the residual falls below half of its smallest value before them, or, where no direction of zero curvature was found, if together they are no longer than $\|v\|/(a\sqrt\varepsilon)$: a small $\lambda$ gets its solution, a
singular matrix the last accurate iterate, with the status.
*)

let nearly smallest =
    let a =
        Spectrum.symmetric (Random 5) (Array.append [| smallest |] (Spectrum.spread (Random 6) 29 0.01 1.0))

    let solver: ILinearSolver<Vector<float>, float> =
        ConjugateGradientSolver(LinearSolveOptions.ToTolerance(300, 1e-8))

    let report =
        solver.Solve(space, LinearOperator.Of(fun w -> a * w), Spectrum.direction (Random 7) 30, 0.0)

    let statistics = report.Read space
    struct (statistics[0].Status, report.Solution.L2Norm())

let struct (singularStatus, singularLength) = nearly 0.0
let struct (smallStatus, smallLength) = nearly 1e-8
printfn $"least eigenvalue 0: {singularStatus}, ‖u‖ = {singularLength:E1}; 1e-8: {smallStatus}, ‖u‖ = {smallLength:E1}"

holds "a singular matrix is reported, and u stays bounded" (singularStatus = SolveStatus.NonPositiveCurvature && singularLength < 1e6)

holds "a small eigenvalue is solved accurately" (smallStatus = SolveStatus.Converged && smallLength > 1e5)
(*** include-output ***)

(**
## A run and its cost

The paper's budgets, 16 inner and 5 CG steps, and larger ones. The result contains residual, curvature and counts, and the two errors separately:
$\delta$ of the inner solve, $\delta'$ of the linear one.
*)

let compute innerSolver steps : MetaGradient<Vector<float>, float> =
    ImplicitMetaGradient.Compute(
        space,
        regularizer,
        problem,
        innerSolver,
        ConjugateGradientSolver(budget steps),
        Thresholds.None,
        task.Theta
    )

let exactPhi = BilevelTask.exactSolution task task.Theta
let exact = BilevelTask.exactMetaGradient task

printfn "inner   CG   δ/‖φ* − θ‖   δ′/‖g*‖   error/‖g*‖   gradients   products"

let works =
    [
        for innerSteps, linearSteps in [ 16, 5; 64, 5; 64, 20; 256, 20; 1024, 40 ] do
            let result = compute (GradientDescentSolver(ConstantStep(1.0 / c.Smoothness), innerSteps)) linearSteps

            let delta = (result.Phi - exactPhi).L2Norm() / (exactPhi - task.Theta).L2Norm()
            let solved = BilevelTask.implicitGradient task result.Phi
            let deltaPrime = (result.Gradient - solved).L2Norm() / exact.L2Norm()
            let error = (result.Gradient - exact).L2Norm() / exact.L2Norm()
            let work = (result.Cost(space))[0]

            printfn
                $"{innerSteps, 5}   {linearSteps, 2}   {short delta, 11}   {short deltaPrime, 8}   {short error, 10}   {work.Gradients, 9}   {work.HessianProducts, 8}"

            work.Gradients = innerSteps + 1 && work.HessianProducts = linearSteps
    ]

holds "one gradient a step and one at φ, one product a CG step" (List.forall id works)
(*** include-output ***)

(**
## Memory does not grow with the steps

No inner iterate before $\varphi$ is needed, and CG keeps five vectors. `Spaces/CountingSpace.fs` counts the live vectors while the same
code runs: every vector must be freed at the end of the step that made it.
*)

let most innerSteps linearSteps =
    let counting = CountingSpace space
    use _ = (counting :> IInnerProductSpace<_, _>).OpenRegion()

    ImplicitMetaGradient.Compute(
        counting,
        ScalarRegularizer 0.01,
        CountingProblem(counting, problem),
        GradientDescentSolver(ConstantStep(1.0 / c.Smoothness), innerSteps),
        ConjugateGradientSolver(budget linearSteps),
        Thresholds.None,
        counting.Track task.Theta
    )
    |> ignore

    counting.MostVectors

for innerSteps, linearSteps in [ 4, 3; 64, 40; 1000, 40 ] do
    printfn $"{innerSteps, 4} inner and {linearSteps, 2} CG steps: at most {most innerSteps linearSteps} vectors at once"

holds "as many for 1000 inner and 40 CG steps as for 4 and 3" (most 1000 40 = most 4 3)
(*** include-output ***)
