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

These are the fields of `ErrorConstants` (`src/Imaml.Math.FSharp/ErrorBounds/ErrorConstants.fs`), and their kind, *certified* or *estimated*, is the kind of
every bound made of them.
*)

(*** hide ***)
#I "../proofs-checks/bin/Release/net10.0"
#r "MathNet.Numerics.dll"
#r "Imaml.Math.FSharp.dll"
#r "Imaml.Theory.dll"
#load "Page.fs"

(** On this page: logistic regression in $\mathbb R^5$ with $\lambda = 0.1$, where all these constants are known. *)

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Page

let random = Random 4
let d = 5
let struct (inner, outer) = LogisticRegression.random random 20 20 d
let task = BilevelTask.create inner outer (Proximal.Scalar 0.1) (Spectrum.gaussian random d)
let c = BilevelTask.constants task
let problem = BilevelTask.problem task
let regularizer = ScalarRegularizer<Vector<float>, float> 0.1
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

So an error $\varepsilon$ is reached by $\delta = \varepsilon/2C$ and $\delta' = \varepsilon/2$. How many steps is that? (`ErrorBounds/ErrorBounds.fs`, all four.) Let $R \ge \|\varphi_0 - \varphi^\star\|$.

**Gradient descent**, step $1/\beta$. $\varphi_{t+1} - \varphi^\star = (I - \bar M/\beta)(\varphi_t - \varphi^\star)$ with $\bar M$ a mean of $M$'s between the two points, whose eigenvalues are in
$[\mu, \beta]$. The distance falls by $1 - 1/\kappa \le e^{-1/\kappa}$ a step: $\lceil\kappa \ln(R/\delta)\rceil$ steps.

**Nesterov's method**, momentum $\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}$. $G(\varphi_t) - G^\star \le (1 - 1/\sqrt\kappa)^t\bigl(G(\varphi_0) - G^\star + \tfrac\mu2R^2\bigr)$ (Nesterov 2004, theorem 2.2.3). With
$\tfrac\mu2\|\varphi_t - \varphi^\star\|^2$ on the left and $\tfrac{\beta + \mu}2R^2$ on the right, $\|\varphi_t - \varphi^\star\|^2 \le (\kappa + 1)R^2e^{-t/\sqrt\kappa}$:
$\lceil 2\sqrt\kappa \ln(\sqrt{\kappa + 1}\,R/\delta)\rceil$ steps.

**Conjugate gradients**, from $0$. [Their rate](algorithm-2.fsx) is in the norm of $M$; $\|x\| \le \|x\|_M/\sqrt\mu$ and $\|M^{-1}v\|_M = (v^\top M^{-1}v)^{1/2} \le \|v\|/\sqrt\mu$
turn it into $\delta' \le 2\frac{\|\Lambda\|}\mu\|v\|e^{-2k/\sqrt\kappa}$: $\lceil\tfrac{\sqrt\kappa}2 \ln(2\tfrac{\|\Lambda\|}\mu\|v\|/\delta')\rceil$ steps.
*)
