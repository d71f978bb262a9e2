(**
---
title: Error bounds
category: The mathematics
categoryindex: 1
index: 4
---
# Error bounds: Theorem 1, certificates, Corollary 1

Algorithm 2 stops early twice, at $\varphi$ near $\varphi^\star = \mathrm{Alg}^\star(\theta)$ and at $u$ near the solution of its system. How far is
$g = \Lambda u$ then from $d_\theta L(\mathrm{Alg}^\star(\theta)) = \Lambda M_\star^{-1}v_\star$, the exact-solve error of Definition 3? Write $M = H(\varphi) + \Lambda$, $v = \nabla L(\varphi)$, with a
star for the same at $\varphi^\star$. Assume

* $G(\cdot, \theta)$ is $\mu$-strongly convex and $\beta$-smooth, $\kappa = \beta/\mu$, so that $\|M^{-1}\|, \|M_\star^{-1}\| \le 1/\mu$;
* $\nabla L$ is $L$-Lipschitz, $\|\nabla L\| \le B$, and $H$ is $\rho$-Lipschitz.

The stored constants belong to the losses only, `LossConstants` (`src/Imaml.Math.FSharp/ErrorBounds/Constants.fs`): the range $h_{\min}I \preceq \nabla^2\hat L \preceq h_{\max}I$, where $h_{\min}$ may be
negative, $\rho$, $L$ and $B$. Formed from the $\Lambda$ in use are

$$\mu = h_{\min} + \lambda_{\min}(\Lambda), \qquad \beta = h_{\max} + \lambda_{\max}(\Lambda), \qquad \|\Lambda\| = \lambda_{\max}(\Lambda),$$

so that constants of one $\lambda$ cannot be used with another (`ErrorConstants`). Their kind, *certified* where they are stated as proved or *estimated* where they were
measured, has no setter, and is the kind of every bound made of them. Estimates hold at the $\varphi$ where they were measured and are never handed to a
certificate: `Certificate.Estimate` and `AdaptiveAccuracy.Estimate` measure at the $\varphi$ of their bound.
*)

(*** hide ***)
#I "../proofs-checks/bin/Release/net10.0"
#r "MathNet.Numerics.dll"
#r "Imaml.Math.FSharp.dll"
#r "Imaml.Theory.dll"
#load "Page.fs"

(** On this page: logistic regression in $\mathbb R^5$ with $\lambda = 0.05$, where all these constants are known. *)

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Page

let random = Random 4
let d = 5
let struct (inner, outer) = LogisticRegression.random random 20 20 d
let task = BilevelTask.create inner outer (Proximal.Scalar 0.05) (Spectrum.gaussian random d)
let c = BilevelTask.constants task
let problem = BilevelTask.problem task
let regularizer = ScalarRegularizer<Vector<float>, float> 0.05
let exactPhi = BilevelTask.exactSolution task task.Theta
let exact = BilevelTask.exactMetaGradient task

printfn
    $"µ = {c.StrongConvexity:F3}, κ = {c.Condition:F1}, L = {c.OuterSmoothness:F3}, B = {c.OuterGradientBound:F3}, ρ = {c.HessianLipschitz:F4}"
(*** include-output ***)

(**
## Theorem 1, before a run

Let $\delta = \|\varphi - \varphi^\star\|$ and $\delta' = \|g - \Lambda M^{-1}v\|$. Then

$$\Lambda M^{-1}v - \Lambda M_\star^{-1}v_\star = \Lambda M_\star^{-1}\bigl[(M_\star - M)M^{-1}v + (v - v_\star)\bigr],$$

where $\|M_\star - M\| \le \rho\delta$, $\|M^{-1}v\| \le B/\mu$ and $\|v - v_\star\| \le L\delta$. Adding $\delta'$,

$$\|g - d_\theta L(\mathrm{Alg}^\star(\theta))\| \le \delta' + C\delta, \qquad
C = \frac{\|\Lambda\|L}{\mu} + \frac{\|\Lambda\|\rho B}{\mu^2} . $$

So an error $\varepsilon$ is reached by $\delta = \varepsilon/2C$ and $\delta' = \varepsilon/2$. The numbers of steps follow (`ErrorBounds/Theorem1.fs` has the thresholds and the numbers). Let $R \ge \|\varphi_0 - \varphi^\star\|$; $\|\nabla G(\varphi_0)\|/\mu$ will do.

**Gradient descent**, step $1/\beta$. $\varphi_{t+1} - \varphi^\star = (I - \bar M/\beta)(\varphi_t - \varphi^\star)$ with $\bar M$ a mean of $M$'s between the two points, whose eigenvalues are in
$[\mu, \beta]$. The distance falls by $1 - 1/\kappa \le e^{-1/\kappa}$ a step: $\lceil\kappa \ln(R/\delta)\rceil$ steps.

**Nesterov's method**, momentum $\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}$. $G(\varphi_t) - G^\star \le (1 - 1/\sqrt\kappa)^t\bigl(G(\varphi_0) - G^\star + \tfrac\mu2R^2\bigr)$ (Nesterov 2004, theorem 2.2.3). With
$\tfrac\mu2\|\varphi_t - \varphi^\star\|^2$ on the left and $\tfrac{\beta + \mu}2R^2$ on the right, $\|\varphi_t - \varphi^\star\|^2 \le (\kappa + 1)R^2e^{-t/\sqrt\kappa}$:
$\lceil 2\sqrt\kappa \ln(\sqrt{\kappa + 1}\,R/\delta)\rceil$ steps.

**Conjugate gradients**, from $0$. [Their rate](algorithm-2.fsx) is in the norm of $M$; $\|x\| \le \|x\|_M/\sqrt\mu$ and $\|M^{-1}v\|_M = (v^\top M^{-1}v)^{1/2} \le \|v\|/\sqrt\mu$
turn it into $\delta' \le 2\frac{\|\Lambda\|}\mu\|v\|e^{-2k/\sqrt\kappa}$: $\lceil\tfrac{\sqrt\kappa}2 \ln(2\tfrac{\|\Lambda\|}\mu\|v\|/\delta')\rceil$ steps.
*)

let run innerSteps linearSteps : MetaGradient<Vector<float>, float> =
    ImplicitMetaGradient.Compute(
        space,
        regularizer,
        problem,
        GradientDescentSolver(ConstantStep(1.0 / c.Smoothness), max 1 innerSteps),
        ConjugateGradientSolver(budget (max 1 linearSteps)),
        Thresholds.None,
        task.Theta
    )

let error (result: MetaGradient<Vector<float>, float>) = (result.Gradient - exact).L2Norm()
let radius = (BilevelTask.innerGradient task task.Theta task.Theta).L2Norm() / c.StrongConvexity

printfn "ε         GD steps   CG steps   ‖g − g*‖"

let planned =
    [
        for epsilon in [ 1e-2; 1e-4; 1e-6; 1e-8 ] do
            let accuracies = Theorem1.AccuraciesFor(c, epsilon)
            let innerSteps = Theorem1.GradientDescentSteps(c, radius, accuracies.Inner)
            let linearSteps = Theorem1.ConjugateGradientSteps(c, c.OuterGradientBound, accuracies.Solve)
            let error = error (run innerSteps linearSteps)
            printfn $"{short epsilon, 7}   {innerSteps, 8}   {linearSteps, 8}   {short error, 8}"
            error <= epsilon
    ]

holds "these steps reach ε" (List.forall id planned)
(*** include-output ***)

(**
## The certificate, after a run

Steps planned for the worst case are too many. The accuracy that was reached can be measured: $\|\nabla G(\varphi, \theta)\|$, and $r = v - Mu$. With $u$ instead of
$M^{-1}v$:

$$\Lambda u - \Lambda M_\star^{-1}v_\star = \Lambda M_\star^{-1}\bigl[(M_\star - M)u + (v - v_\star) - r\bigr],$$

$$\|g - d_\theta L(\mathrm{Alg}^\star(\theta))\| \le \frac{\|\Lambda\|}\mu\Bigl(\|r\| + (L + \rho\|u\|)\,\frac{\|\nabla G(\varphi, \theta)\|}\mu\Bigr).$$

It needs neither $B$ nor $\varphi^\star$, only $\mu$, $L$, $\rho$ and norms that were computed, and it holds for any $\varphi$ and $u$
(`ErrorBounds/Certificate.fs`, with a bound on the rounding of every norm in the space's precision). For a quadratic $\rho = 0$. The last column is $\delta' + C\delta$ with the true $\delta$ and $\delta'$,
which are known only in this example.
*)

printfn "inner   CG   ‖g − g*‖   certificate   δ′ + Cδ"

let certified =
    [
        for innerSteps, linearSteps in [ 5, 2; 20, 2; 20, 3; 40, 4 ] do
            let result = run innerSteps linearSteps
            let bound = Theorem1Accounts.certificate task result.Phi result.Solve.Solution

            let aPriori =
                Theorem1.Bound(
                    c,
                    (result.Phi - exactPhi).L2Norm(),
                    (result.Gradient - BilevelTask.implicitGradient task result.Phi).L2Norm()
                )

            printfn $"{innerSteps, 5}   {linearSteps, 2}   {short (error result), 8}   {short bound.Total, 11}   {short aPriori, 8}"
            struct (error result, bound, aPriori)
    ]

holds
    "the certificate bounds the error"
    (certified
     |> List.forall (fun (struct (error, bound, _)) -> error <= bound.Total && bound.Kind = BoundKind.Certified))

holds "δ′ + Cδ bounds the error" (certified |> List.forall (fun (struct (error, _, aPriori)) -> error <= aPriori))
(*** include-output ***)

(**
Measurements can refute constants, but not prove them: where $\langle u, Mu\rangle/\|u\|^2$, or a curvature or Ritz value that CG met, lies below $\mu$ by more than rounding,
there is no bound, and the status is ConstantsRefuted. Here the constants state falsely that $\hat L$ is 1-strongly convex:
*)

let wrong =
    let claimed = inner.Constants

    TaskConstants(
        LossConstants.Proved(1.0, 2.0, claimed.HessianLipschitz, infinity, claimed.GradientRounding, claimed.ProductRounding),
        outer.Constants
    )

let refuted =
    Certificate.OfResult(space, regularizer, problem, [| wrong |], task.Theta, run 40 4)
    |> Array.exactlyOne

printfn $"{refuted.Kind}: {refuted.Reason}"
holds "a wrong µ is refuted, and there is no bound" (refuted.IsRefuted && refuted.Kind = BoundKind.None)
(*** include-output ***)

(**
## Accuracy on demand

The certificate can be evaluated during the run: iterate until it is at most $\varepsilon$, which is divided between inner and linear steps. If an e-fold
of accuracy costs $a$ evaluations there and $b$ here, shares $s$ and $1 - s$ cost $-a\ln s - b\ln(1 - s)$ beyond what $\varepsilon$ itself does, least at
$s = a/(a + b)$: that is $\frac45$ for Nesterov's method by the bound $2\sqrt\kappa$ above, against CG's $\sqrt\kappa/2$, $\frac23$ by its asymptotic rate $\sqrt\kappa$ on quadratics, and near 1 for gradient descent's $\kappa$. The code takes $\frac45$
(`ErrorBounds/AdaptiveAccuracy.fs`, `AccuracyPlan.fs`). Where rounding prevents $\varepsilon$, the status says this:
*)

let toAccuracy (epsilon: float) theta =
    let untilMet = { budget 1000 with CheckEvery = 1 }

    AdaptiveAccuracy.Compute(
        space,
        regularizer,
        problem,
        GradientDescentSolver(ConstantStep(1.0 / c.Smoothness), 10000, 1),
        ConjugateGradientSolver untilMet,
        [| BilevelTask.losses task |],
        { Accuracy = epsilon; MaxRounds = 10 },
        theta
    )

// The reference is itself only known to within a certificate.
let reference = (Theorem1Accounts.certificate task exactPhi (BilevelTask.adjoint task exactPhi)).Total

printfn "ε         certificate   ‖g − g*‖   gradients   products"

let met =
    [
        for epsilon in [ 1e-2; 1e-4; 1e-6; 1e-8; 1e-10; 1e-16 ] do
            let result = toAccuracy epsilon task.Theta
            let outcome = result.Tasks[0]
            let error = error result.MetaGradient

            printfn
                $"{short epsilon, 7}   {short outcome.Bound.Total, 11}   {short error, 8}   {outcome.Work.Gradients, 9}   {outcome.Work.HessianProducts, 8}   {outcome.Status}"

            struct (epsilon, outcome, error)
    ]

holds "the error is within the certificate" (met |> List.forall (fun (struct (_, o, error)) -> error <= o.Bound.Total + reference))

holds
    "ε is reached, or the status says that rounding forbids it"
    (met
     |> List.forall (fun (struct (epsilon, o, _)) ->
         if epsilon > 1e-15 then
             o.Status = CertifiedStatus.Met && o.Bound.Total <= epsilon
         else
             o.Status = CertifiedStatus.RoundingLimit))
(*** include-output ***)

(**
## Corollary 1: convergence with inexact meta-gradients

Compare the meta-gradients at $\theta$ and $\theta'$ as above: they are $\Lambda M^{-1}v$ at two solutions, which are at most $(\|\Lambda\|/\mu)\|\theta - \theta'\|$ apart, so $\nabla F$ is
Lipschitz with $L_F = (\|\Lambda\|/\mu)\,C$. A step $\theta_+ = \theta - g/L_F$ along $g = \nabla F + e$ then changes $F$ by at most

$$-\tfrac1{L_F}\langle\nabla F, \nabla F + e\rangle + \tfrac1{2L_F}\|\nabla F + e\|^2 = \tfrac1{2L_F}\bigl(\|e\|^2 - \|\nabla F\|^2\bigr),$$

and the sum over $K$ steps, $F$ falling no lower than $\inf F$, gives

$$\min_{k < K} \|\nabla F(\theta_k)\|^2 \le \frac{2L_F\,(F(\theta_0) - \inf F)}K + \max_k\|e_k\|^2 .$$

(`Corollary1`, in `Theorem1.fs`.) Here with meta-gradients certified to $10^{-3}$; a logistic loss has $\inf F \ge 0$.
*)

let smoothness = Corollary1.MetaSmoothness c
let start = outer.Value exactPhi

let visited =
    task.Theta
    |> Seq.unfold (fun theta -> Some(theta, theta - (toAccuracy 1e-3 theta).MetaGradient.Gradient / smoothness))
    |> Seq.take 1000
    |> Seq.map (fun theta -> (BilevelTask.exactMetaGradient { task with Theta = theta }).L2Norm() ** 2.0)
    |> Seq.toArray

printfn "K      min ‖∇F‖²     bound"

for steps in [ 1; 10; 100; 1000 ] do
    printfn
        $"{steps, 4}   {short (Array.min visited[.. steps - 1]), 9}   {short (Corollary1.Stationarity(smoothness, start, steps, 1e-3)), 7}"

holds
    "the bound holds for every K up to 1000"
    (Seq.forall (fun steps -> Array.min visited[.. steps - 1] <= Corollary1.Stationarity(smoothness, start, steps, 1e-3)) (seq { 1..1000 }))
(*** include-output ***)

(*** hide ***)
let ks = [ 1; 2; 5; 10; 20; 50; 100; 200; 500; 1000 ]

chart
    "meta-steps K"
    "smallest ‖∇F‖² so far"
    [
        "measured", [ for k in ks -> float k, Array.min visited[.. k - 1] ]
        "Corollary 1", [ for k in ks -> float k, Corollary1.Stationarity(smoothness, start, k, 1e-3) ]
    ]
(*** include-it-raw ***)

(**
The ledger checks these statements on many random tasks: `dotnet run -c Release --project proofs-checks`, lines "Definition 1" to "Corollary 1".
*)
