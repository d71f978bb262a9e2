(**
---
title: Nudged solves
category: The mathematics
categoryindex: 1
index: 6
---
# Nudged solves: meta-gradients without second derivatives

Solve the inner problem again with a little of the outer loss in it, and compare the solutions (the contrastive rule of Zucchet et al., NeurIPS 2022; F2SA of Kwon et al., ICML 2023). The code is `MetaGradients/Nudged.fs` and `NudgedDifference.fs` in
`src/Imaml.Math.FSharp`.
*)

(*** hide ***)
#I "../proofs-checks/bin/Release/net10.0"
#r "MathNet.Numerics.dll"
#r "Imaml.Math.FSharp.dll"
#r "Imaml.Theory.dll"
#load "Page.fs"

(** On this page: a logistic regression, whose $\varphi_\beta$ has derivatives of every order. *)

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Page

let task =
    let random = Random 3
    let struct (inner, outer) = LogisticRegression.random random 20 20 5
    BilevelTask.create inner outer (Proximal.Scalar 1.0) (Spectrum.gaussian random 5)

let c = BilevelTask.constants task
let regularizer = ScalarRegularizer<Vector<float>, float> 1.0
let exact = BilevelTask.exactMetaGradient task
let newton: IInnerSolver<Vector<float>, float> = NewtonConjugateGradientSolver(50, 20)

let nudged difference beta =
    NudgedStrategy(newton, difference, beta, 1e-14).ComputeBoth(space, regularizer, BilevelTask.problem task, task.Theta)

(**
## The derivative by β

Let $\varphi_\beta = \arg\min_\varphi \hat L(\varphi) + \beta L(\varphi) + \tfrac12\|\varphi - \theta\|^2_\Lambda$. It satisfies $\nabla G(\varphi_\beta, \theta) + \beta\nabla L(\varphi_\beta) = 0$; by $\beta$, at $\beta = 0$:

$$(H + \Lambda)\,\varphi_0' + \nabla L(\varphi^\star) = 0, \qquad \varphi_0' = -(H + \Lambda)^{-1}\nabla L(\varphi^\star) = -u .$$

Algorithm 2's meta-gradient is $g = \Lambda u = -\Lambda\varphi_0'$: a derivative of solutions by one number, which differences give. With Taylor's expansion of $\varphi_\beta$ to the order that a difference leaves:

$$\frac{\varphi_0 - \varphi_\beta}{\beta} = u - \tfrac\beta2\varphi'', \qquad
\frac{\varphi_{-\beta} - \varphi_\beta}{2\beta} = u - \tfrac{\beta^2}6\varphi''', \qquad
\frac{8(\varphi_{-\beta} - \varphi_\beta) - (\varphi_{-2\beta} - \varphi_{2\beta})}{12\beta} = u + \tfrac{\beta^4}{30}\varphi^{(5)},$$

each derivative between the points. Solutions that are off by $\delta$ add at most $c\delta/\beta$, $c = 2$, $1$ and $\tfrac32$ the sums of the weights' sizes:

$$\|g - d_\theta L\| \le \|\Lambda\|\Bigl(\frac{c\,\delta}\beta + c_pM\beta^p\Bigr), \qquad \beta_{\mathrm{best}} = \Bigl(\frac{c\,\delta}{p\,c_p M}\Bigr)^{1/(p+1)} ,$$

$p = 1, 2, 4$ the order of the difference, $c_p = \frac12, \frac16, \frac1{30}$, and $M$ a bound on the derivative of order $p + 1$: `Nudge.ErrorBound` and `Nudge.Best`. Two nudged solutions of accuracy $\delta$ so give a meta-gradient to $\delta^{2/3}$, four to $\delta^{4/5}$; the strategy solves for $\varphi$ and $\varphi_0$ too.
*)

let betas = [ for i in 1..6 -> 2.0 ** -(float i) ]

let kinds =
    [
        NudgedDifference.OneSided
        NudgedDifference.Symmetric
        NudgedDifference.FourPoint
    ]

let errors kind =
    [
        for beta in betas -> beta, ((nudged kind beta).Result.Gradient - exact).L2Norm() / exact.L2Norm()
    ]

for kind in kinds do
    let points = errors kind

    let slope =
        (PowerLaw.fit [| for beta, _ in points -> beta |] [| for _, error in points -> error |]).Slope

    holds $"the error of {kind} falls as β^{int kind}: the slope is {slope:F2}" (abs (slope - float kind) < 0.25)
(*** include-output ***)

(**
The relative errors against β:
*)

(*** hide ***)
chart "β" "relative error" [ for kind in kinds -> string kind, errors kind ]
(*** include-it-raw ***)

(**
## When a nudge is too large

$\hat L - \beta L$ with the proximal term must stay convex, or $\varphi_{-\beta}$ is no solution, or another one. Where $G$ is $\mu$-strongly convex and $\nabla L$ is $L$-Lipschitz, $\beta < \mu/L$ suffices (half of it for four points):
`Nudge.Largest`. Without these constants the strategy checks the curvature of each nudged objective between $\varphi$ and its solution, for symmetric differences also along $\varphi_\beta + \varphi_{-\beta} - 2\varphi_0$, and how far the solutions are from a line in $\beta$,

$$\max_k \frac{\|\varphi_{k\beta} - \varphi_0 + k\beta u\|}{\|k\beta u\|},$$

which is of order $\beta$ where the nudge is small, and must not be above 1. A task that fails any of these is refused: its $g$ is not a number, and the meta-batch goes on without it. These are the directions in which an error shows, not a proof of convexity.

With a fixed budget of $T$ gradient steps in place of a tolerance, as networks have it, $u$ is what $T$ steps make of the way from $\varphi_0$ to $\varphi_{k\beta}$: on a quadratic the Neumann series of $T$ terms, as truncated back-propagation over the budget, with a relative error of up to
$(1 - a\mu)^T$ for steps of size $a$. Nothing in the result shows it. On Omniglot's network conjugate gradients are better at equal time: see [the measurements](measured.md).
*)

let largest = Nudge.Largest(NudgedDifference.Symmetric, c.StrongConvexity, task.Outer.LargestCurvature)

let small, large =
    nudged NudgedDifference.Symmetric (0.2 * largest), nudged NudgedDifference.Symmetric (200.0 * largest)

let usable (nudged: NudgedMetaGradient<Vector<float>, float>) = nudged.Result.Usable space > 0.5

holds
    $"a fifth of the largest β ({largest:F2}) is used, with a nonlinearity of {small.Nonlinearity:F3}; 200 times the largest is refused"
    (usable small && not (usable large))
(*** include-output ***)
