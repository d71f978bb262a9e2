(**
---
title: Lemma 1
category: The mathematics
categoryindex: 1
index: 2
---
# Lemma 1: the derivative of the inner solution

The solution $\varphi^\star = \mathrm{Alg}^\star(\theta)$ satisfies

$$\nabla \hat L(\varphi^\star) + \Lambda(\varphi^\star - \theta) = 0 .$$

Its derivative in $\varphi$ is $H + \Lambda$ with $H = \nabla^2 \hat L(\varphi^\star)$, positive definite where $G$ is strongly convex and so invertible: by the implicit
function theorem $\mathrm{Alg}^\star$ is differentiable. Differentiating the equation in $\theta$ gives $(H + \Lambda)J - \Lambda = 0$ for $J = d\mathrm{Alg}^\star/d\theta$, hence

$$J = (H + \Lambda)^{-1}\Lambda, \qquad J = \Bigl(I + \tfrac1\lambda H\Bigr)^{-1} \text{ for } \Lambda = \lambda I , \tag{6}$$

and by the chain rule, with $v = \nabla L(\varphi^\star)$, the meta-gradient

$$d_\theta L\bigl(\mathrm{Alg}^\star(\theta)\bigr) = J^\top v = \Lambda u, \qquad (H + \Lambda)u = v . \tag{5}$$

$J$ itself is symmetric only where $H$ and $\Lambda$ commute, as for $\lambda I$; $H + \Lambda$ always is, so both $Jw$ and $J^\top w$ take one solve with it. No inner step appears: only $\varphi^\star$.
The code is `src/Imaml.Math.FSharp/MetaGradients/ImplicitJacobian.fs`: `Product`, `TransposeProduct`, `Matrices`.
*)

(*** hide ***)
#I "../proofs-checks/bin/Release/net10.0"
#r "MathNet.Numerics.dll"
#r "Imaml.Math.FSharp.dll"
#r "Imaml.Theory.dll"
#load "Page.fs"

(** On this page: logistic regression in $\mathbb R^3$ with a full matrix $\Lambda$, whose eigenvalues are from ½ to 1. *)

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Page

let random = Random 1
let struct (inner, outer) = LogisticRegression.random random 12 40 3
let lambda = Spectrum.positiveDefinite random 3 2.0
let theta = Spectrum.gaussian random 3
let task = BilevelTask.create inner outer (Proximal.Matrix lambda) theta
let c = BilevelTask.constants task
let regularizer = MatrixRegularizer lambda
let phi = BilevelTask.exactSolution task theta

/// Lemma 1 by the core, from Hessian–vector products.
let jacobian =
    use linearization = (BilevelTask.problem task).LinearizeInner phi

    let hessian = LinearOperator.Of(InnerObjective.hessianProduct space regularizer linearization)

    (ImplicitJacobian.Matrices(space, EuclideanCoordinates(), regularizer, hessian, phi))[0]

(**
## J agrees with finite differences of the exact inner solution

The tolerance follows from Taylor's theorem. Along a unit direction $w$ let $\varphi(t) = \mathrm{Alg}^\star(\theta + tw)$, and let $\hat L$'s second and third derivatives be Lipschitz with $\rho$ and $\tau$.
Differentiating $\nabla\hat L(\varphi) + \Lambda(\varphi - \theta - tw) = 0$ once, twice and three times,

$$\begin{aligned}
(H + \Lambda)\varphi' &= \Lambda w & \|\varphi'\| &\le \|\Lambda\|/\mu =: r\\
(H + \Lambda)\varphi'' &= -\hat L^{(3)}[\varphi', \varphi'] & \|\varphi''\| &\le \rho r^2/\mu\\
(H + \Lambda)\varphi''' &= -\hat L^{(4)}[\varphi', \varphi', \varphi'] - 3\hat L^{(3)}[\varphi', \varphi''] & \|\varphi'''\| &\le r^3(\tau + 3\rho^2/\mu)/\mu
\end{aligned}$$

so a central difference of step $h$ has an error of at most $\tfrac{h^2}6 r^3(\tau + 3\rho^2/\mu)/\mu$, plus $e/h$ where every solution has an error of at most $e$. The certificate of a
solution gives $e$, rounding included.
*)

let solution at =
    let moved = { task with Theta = at }
    let phi = BilevelTask.exactSolution task at
    struct (phi, (Theorem1Accounts.certificate moved phi (BilevelTask.adjoint moved phi)).InnerError)

let r, mu, rho, tau =
    c.Contraction, c.StrongConvexity, c.HessianLipschitz, inner.ThirdDerivativeLipschitz

let third = r ** 3.0 * (tau + 3.0 * rho * rho / mu) / mu

printfn "h         error of column 1    bound"

let differences =
    [
        for h in [ 1.0; 0.1; 0.01; 0.001 ] do
            let e = Vector<float>.Build.DenseOfArray [| 1.0; 0.0; 0.0 |]
            let struct (ahead, errorAhead) = solution (theta + h * e)
            let struct (behind, errorBehind) = solution (theta - h * e)
            let error = ((ahead - behind) / (2.0 * h) - jacobian.Column 0).L2Norm()
            let bound = h * h / 6.0 * third + (errorAhead + errorBehind) / (2.0 * h)
            printfn $"{h, 6}    {short error, 17}    {short bound}"
            struct (error, bound)
    ]

holds "every difference is within its bound" (differences |> List.forall (fun (struct (error, bound)) -> error <= bound))
(*** include-output ***)

(**
The error falls with $h^2$; with a wrong $J$ it would stop falling.

## The solution is Lipschitz in θ

$\|J\| \le \|(H + \Lambda)^{-1}\|\,\|\Lambda\| \le \|\Lambda\|/\mu$, so $\mathrm{Alg}^\star$ is $(\|\Lambda\|/\mu)$-Lipschitz: a contraction where $\Lambda = \lambda I$ and $\hat L$ is convex. For $\Lambda = \lambda I$ the eigenvalues of $J$ are
$\lambda/(\lambda + h)$: directions in which the task is well determined ($h \gg \lambda$) do not depend on $\theta$, the others follow it.
*)

printfn $"‖J‖ = {jacobian.L2Norm():F3}, ‖Λ‖/µ = {c.Contraction:F3}"
holds "‖J‖ ≤ ‖Λ‖/µ" (jacobian.L2Norm() <= c.Contraction)
(*** include-output ***)

(**
## The gradient by Λ needs no further solve

Differentiating the same equation in $\Lambda$ gives $(H + \Lambda)\,d\varphi = -d\Lambda\,(\varphi^\star - \theta)$, so with the $u$ of (5)

$$dL = -u^\top d\Lambda\,(\varphi^\star - \theta): \qquad -(\varphi^\star - \theta)^\top u, \qquad -(\varphi^\star - \theta)_j u_j, \qquad
-\tfrac12\bigl[u(\varphi^\star - \theta)^\top + (\varphi^\star - \theta)u^\top\bigr]$$

for a scalar, a diagonal and a symmetric matrix (`MetaGradients/LearnedRegularizer.fs`). One solve serves $\theta$ and $\Lambda$.

A check on quadratic losses: along $\Lambda + tE$ with $\|E\| = 1$ the solution is $\varphi(t) = \theta - (H + \Lambda + tE)^{-1}\nabla\hat L(\theta)$. For $|t| \le h$ and $m = \mu - h$ it is within
$D = \|\nabla\hat L(\theta)\|/m$ of $\theta$, its $k$-th derivative is at most $k!\,D/m^k$, and $\|\nabla L\| \le V = \|v\| + LhD/m$ there. So the third derivative of the test loss is at most
$6(VD + LD^2)/m^3$, and a central difference of step $h$ has an error of at most $h^2(VD + LD^2)/m^3$.
*)

let quadratic = Quadratic.random random 3 10.0
let test = Quadratic.random random 3 10.0
let e = Spectrum.symmetric random [| -1.0; 0.5; 1.0 |]

let moved t = BilevelTask.create quadratic test (Proximal.Matrix(lambda + t * e)) theta
let here = moved 0.0

let byLambda =
    let result =
        ImplicitMetaGradient.Compute(
            space,
            regularizer,
            BilevelTask.problem here,
            ExactInnerSolver(EuclideanCoordinates(), 50),
            ConjugateGradientSolver(budget 3),
            Thresholds.None,
            theta
        )

    RegularizerGradient.Compute(space, regularizer, result, theta)

printfn "h        ⟨dL/dΛ, E⟩    difference    error     bound"

let slopes =
    [
        for h in [ 0.1; 0.01; 0.001 ] do
            let loss t = test.Value(BilevelTask.exactSolution (moved t) theta)
            let along = (byLambda.PointwiseMultiply e).RowSums().Sum()
            let difference = (loss h - loss -h) / (2.0 * h)
            let m = (BilevelTask.constants here).StrongConvexity - h
            let distance = (quadratic.Gradient theta).L2Norm() / m
            let v = (test.Gradient(BilevelTask.exactSolution here theta)).L2Norm()
            let slope = v + test.LargestCurvature * h * distance / m
            let bound = h * h * (slope * distance + test.LargestCurvature * distance * distance) / m ** 3.0
            printfn $"{h, 5}   {along, 11:F8}   {difference, 11:F8}   {short (abs (along - difference)), 6}   {short bound, 6}"
            abs (along - difference) <= bound
    ]

holds "the gradient by Λ agrees with finite differences" (List.forall id slopes)
(*** include-output ***)

(**
## Cancellation at small λ

With fewer examples than parameters $H$ has a null space, and there $u$ is $v/\lambda$, while $\varphi^\star - \theta = -\Lambda^{-1}\nabla\hat L(\varphi^\star)$ has no component
in it: $\nabla\hat L$ is in the range of $H$. The product of the two is bounded as $\lambda \to 0$, but $\varphi$ as computed has a part $e$ in the null space, of the size
of $\|\nabla G\|/\lambda$, and $e^\top u$ is of the size $\|\nabla G\|/\lambda^2$. To sum the other way, $v^\top[(H + \Lambda)^{-1}(\varphi - \theta)]$, gives the same
number: it is $\varphi - \theta$ that is wrong, not the order.

One Newton step $c = (H + \Lambda)^{-1}\nabla G(\varphi)$ takes $\varphi$ to $\varphi^\star$ up to the square of its distance, and there the displacement follows from $\nabla\hat L$:

$$w = -\Lambda^{-1}\bigl(\nabla\hat L(\varphi) - Hc\bigr) = \varphi - c - \theta - \Lambda^{-1}\bigl(\nabla G - (H + \Lambda)c\bigr).$$

Both $\nabla\hat L$ and $Hc$ are products with the transposed data: their rounding in the null space is relative to their size, which is of the order of $\lambda$. So $w$ is right
there to rounding, whatever the error of $c$, and in the range as right as $\varphi - c$. What is left is the rounding of $w^\top u$, $\varepsilon\|w\|\|u\|$, for a scalar; a single
$w_j u_j$ is as accurate as $u_j$, $\varepsilon\|H + \Lambda\|/\lambda$ of it. With $\|\varphi - \varphi^\star\| \le \delta$ and $\|u - u^\star\| \le E = (\|r\| + (L + \rho\|u\|)\delta)/\mu$,

$$\|wu^\top - w^\star u^{\star\top}\| \le \bigl(\|w - (\varphi - \theta)\| + \delta\bigr)\|u\| + \bigl(\|\varphi - \theta\| + \delta\bigr)E$$

bounds the gradient for every kind of $\Lambda$ (`ErrorBounds/RegularizerGradientBound.fs`); it ignores cancellation.
*)

let small = 1e-10
let scalar: ILearnableRegularizer<Vector<float>, float, float> = ScalarRegularizer small
let row (values: float list) = Matrix<float>.Build.DenseOfRowArrays(List.toArray values)
let one (value: float) = Vector<float>.Build.DenseOfArray [| value |]

// L̂ = ½(φ₁ + φ₂ + φ₃ − 1)², L = ½(φ₁ − 2)², θ = 0: φ* = (1, 1, 1)/(3 + λ) and dL/dλ = (2 − φ₁)/(3 + λ)².
let few =
    BilevelTask.create
        (LinearRegression.loss (row [ 1.0; 1.0; 1.0 ]) (one 1.0))
        (LinearRegression.loss (row [ 1.0; 0.0; 0.0 ]) (one 2.0))
        (Proximal.Scalar small)
        (Vector<float>.Build.Dense 3)

let fewProblem = BilevelTask.problem few
let dense: ILinearSolver<Vector<float>, float> = DenseSolver(EuclideanCoordinates())

// φ* with an error of 10⁻⁹ in the null space.
let near =
    DelegateInnerSolver<Vector<float>, float>(fun _ _ ->
        Vector<float>.Build.DenseOfArray [| 1.0; 1.0; 1.0 |] / (3.0 + small)
        + 1e-9 * Vector<float>.Build.DenseOfArray [| 1.0; -1.0; 0.0 |])

let fewResult = ImplicitMetaGradient.Compute(space, scalar, fewProblem, near, dense, few.Theta)

let plain = RegularizerGradient.Compute(space, scalar, fewResult, few.Theta)

let refined =
    RegularizerGradient.Refined(space, scalar, fewProblem, dense, fewResult, few.Theta).Gradient

printfn $"λ = {small}: ⟨φ − θ, u⟩ gives {plain:F6}, w in its place {refined:F6}, the truth is {5.0 / 27.0:F6}"
// ε‖w‖‖u‖ with ‖u‖ ≤ ‖v‖/λ, ten for the constant.
holds "w does not cancel" (abs (refined - 5.0 / 27.0) <= 10.0 * 2.0 ** -52.0 * (1.0 / sqrt 3.0) * (5.0 / 3.0) / small)
(*** include-output ***)

(**
## Limits of λ

On a quadratic $\hat L$ with eigenvalues of $H$ in $[h_{\min}, h_{\max}]$, $h_{\min} \ge 0$, everything is exact. If $h_{\min} > 0$ the solution becomes independent of $\theta$ as $\lambda \to 0$:
$\|g\| \le \tfrac{\lambda}{\lambda + h_{\min}}\|v\|$. As $\lambda \to \infty$ it is $\theta$ itself, and to first order in $1/\lambda$ the meta-gradient is *MAML with one step of
size $1/\lambda$*. That one has $\varphi_1 = \theta - \nabla\hat L(\theta)/\lambda$ and $J_1 = I - H/\lambda$, while

$$J - J_1 = \bigl(\tfrac1\lambda H\bigr)^2 J, \qquad
\varphi^\star - \varphi_1 = \tfrac1\lambda (I - J)\nabla\hat L(\theta) = \tfrac1{\lambda^2} HJ\,\nabla\hat L(\theta),$$

so, with $\nabla L$ Lipschitz with $L$, $\|J\| \le 1$, and $\|J_1\| \le 1$ for $\lambda \ge h_{\max}$,

$$\|g - g_1\| \le \frac{h_{\max}^2\,\|v\| + L\,h_{\max}\,\|\nabla\hat L(\theta)\|}{\lambda^2} .$$
*)

let hMin, hMax = quadratic.SmallestCurvature, quadratic.LargestCurvature

printfn "λ          ‖g‖/‖v‖    ‖g − g₁‖       bound"

let limits =
    [
        for lambda in [ 0.01; 0.1; 1.0; 10.0; 100.0; 1000.0 ] do
            let task = BilevelTask.create quadratic test (Proximal.Scalar lambda) theta
            let g = BilevelTask.exactMetaGradient task
            let v = test.Gradient(BilevelTask.exactSolution task theta)

            let step =
                {
                    Momentum = NoMomentum
                    Step = 1.0 / lambda
                    Steps = 1
                }

            let one =
                (Unrolled.compute step space (ScalarRegularizer lambda) (BilevelTask.problem task) theta).Gradient

            let shrinking = g.L2Norm() / v.L2Norm()
            let difference = (g - one).L2Norm()

            let bound =
                (hMax * hMax * v.L2Norm() + test.LargestCurvature * hMax * (quadratic.Gradient theta).L2Norm())
                / (lambda * lambda)

            printfn $"{lambda, 6}   {short shrinking, 9}   {short difference, 11}   {short bound, 9}"
            struct (lambda, shrinking, difference, bound)
    ]

// The dense solves have condition numbers below 1000: 10⁻¹² of the result is more than their rounding.
holds
    "‖g‖ ≤ λ‖v‖/(λ + h_min)"
    (limits
     |> List.forall (fun (struct (lambda, shrinking, _, _)) -> shrinking <= lambda / (lambda + hMin) * (1.0 + 1e-12)))

holds
    "MAML with one step of 1/λ is within its bound, where λ ≥ h_max"
    (limits
     |> List.forall (fun (struct (lambda, _, difference, bound)) -> lambda < hMax || difference <= bound))
(*** include-output ***)

(*** hide ***)
chart
    "λ"
    ""
    [
        "‖g‖/‖v‖", [ for struct (lambda, shrinking, _, _) in limits -> lambda, shrinking ]
        "‖g − g₁‖", [ for struct (lambda, _, difference, _) in limits -> lambda, difference ]
        "bound on ‖g − g₁‖", [ for struct (lambda, _, _, bound) in limits -> lambda, bound ]
    ]
(*** include-it-raw ***)

(**
The ledger checks the same statements on many random tasks: `dotnet run -c Release --project proofs-checks`, lines "Lemma 1" and "(5)".
*)
