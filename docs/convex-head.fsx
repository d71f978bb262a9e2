(**
---
title: A convex head
category: The mathematics
categoryindex: 1
index: 9
---
# A convex head: certificates on real networks

Adapt the last layer of a network alone, on the features that the layers before it give. The inner problem is then convex, every constant of Theorem 1 is known, and the meta-gradient in the features is certified whatever
the network is. The code is `Head/` in `src/Imaml.Math.FSharp`; `imaml train --algorithm head` trains with it.
*)

(*** hide ***)
#I "../proofs-checks/bin/Release/net10.0"
#r "MathNet.Numerics.dll"
#r "Imaml.Math.FSharp.dll"
#r "Imaml.Theory.dll"
#load "Page.fs"

(** On this page: a head of three classes on six examples and six queries with twenty random features. *)

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Page

let random = Random 5
let n, m, p, classes = 6, 6, 20, 3
let lambda = 0.2

let labels = Matrix<float>.Build.Dense(n, classes, fun i c -> if i % classes = c then 1.0 else 0.0)

let head =
    ConvexHead(HeadLoss.CrossEntropy, Spectrum.gaussianMatrix random n p, labels, Spectrum.gaussianMatrix random m p, labels)

let centre = Vector<float>.Build.Dense(p * classes)

/// W and u, the inner solve to ‖∇g‖ ≤ the first threshold and the adjoint to the second.
let solve inner adjoint =
    let struct (w, _) = head.Solve(lambda, centre, inner, 100)
    let struct (u, _) = head.Adjoint(lambda, w, adjoint)
    w, u

let exactW, exactU = solve 0.0 0.0

(**
## The problem

Rows $x_i \in \mathbb R^p$ of $X$ are the features of $n$ support examples (with a constant feature for the bias), $X_q$ those of $m$ queries, $W \in \mathbb R^{p \times N}$ the head:

$$g(W) = \frac1n\sum_i \ell(W^\top x_i, y_i) + \frac\lambda2\|W - W_0\|^2, \qquad f(W) = \frac1m\sum_j -\log\mathrm{softmax}(W^\top x_j)_{y_j} .$$

The network's weights, $W_0$ and $\lambda$ are learned. $W_0$ is 0 unless it is asked for: a task draws its labels at random, so columns of $W_0$ that differ say nothing of a task, and columns that are all the same add one number to all
logits of an example, which does not change the softmax. With $W_0 = 0$ nothing that is learned depends on the number of classes.

## The solution, in the span of the examples

$\nabla g(W) = X^\top E + \lambda(W - W_0)$ with $E = \partial\ell/\partial Z/n$ at the logits $Z = XW$, so $W^\star - W_0$ lies in the span of the examples. With $X = LQ^\top$, $Q$ of orthonormal columns, $W = W_0 + QV$: the same problem in
at most $n$ features, with lengths and angles as they were. Newton's method solves it on the host in double precision (`ExampleSpace`); a Gram matrix $XX^\top$ would also work, but loses half of the digits. The adjoint system $(H + \lambda)u = v$, $v = \nabla f(W)$, meets
$H$ in the span alone: $u = v/\lambda + Q(s - Q^\top v/\lambda)$ with $(L^\top S L/n + \lambda)s = Q^\top v$.
*)

let problem: IBilevelProblem<Vector<float>, float> = head
let gradientNorm = (problem.InnerGradient exactW + lambda * (exactW - centre)).L2Norm()
holds $"∇g(W*) = 0 to rounding: {gradientNorm:E1}" (gradientNorm < 1e-12)
(*** include-output ***)

(**
## The meta-gradient in the features

The features are outer variables $z$; for these ([a general lower level](general-lower-level.fsx)) $\nabla F(z) = \partial_z f - C^\top u$ with $C$ the derivative of $\nabla g(W)$ in $z$. As $\langle u, X^\top E\rangle = \sum_i \langle u^\top x_i, e_i\rangle$, and $e_i$ moves by $S_i W^\top\dot x_i/n$ with $S_i = \nabla^2\ell$,

$$\nabla_X F = -(E u^\top + T W^\top), \quad T = S(Xu)/n, \qquad \nabla_{X_q}F = R\,W^\top, \quad R = (\mathrm{softmax}(X_qW) - Y_q)/m, \qquad \nabla_{W_0}F = \lambda u .$$

One pass backwards through the network takes this to its weights.
*)

let gradient = head.FeatureGradient(exactW, exactU)

/// L(W*) with the support features moved.
let outer (t: float) (direction: Matrix<float>) =
    let moved = ConvexHead(HeadLoss.CrossEntropy, head.Support + t * direction, labels, head.Query, labels)
    let struct (w, _) = moved.Solve(lambda, centre, 0.0, 100)
    let struct (loss, _) = (moved :> IBilevelProblem<Vector<float>, float>).OuterLossAndGradient w
    loss

let direction = Spectrum.gaussianMatrix random n p
let slope = (gradient.Support.PointwiseMultiply direction).RowSums().Sum()
let difference = (outer 1e-4 direction - outer -1e-4 direction) / 2e-4
holds $"along a random direction in X: {slope:F8}, by differences of exact solutions {difference:F8}" (abs (slope - difference) < 1e-6)
(*** include-output ***)

(**
## The certificate

How large are the constants of a network's features? Training makes features grow, and a bound made of $S \preceq \tfrac12 I$ and $\|x_i\|^3$ becomes infinite, though the solution is no worse: as the features grow the probabilities go to 0 and 1, and $S$ falls. Three facts about $S = \mathrm{diag}(p) - pp^\top$ at an example's logits:

- **$S \preceq sI$ with $s = 2\max_k p_k(1 - p_k) \le \tfrac12$**, by Gershgorin's discs. It is measured at $W$.
- **$S$ changes by a factor.** Along $a$, the derivative of $b^\top S b$ is a third central moment, $\mathbb E[(b - \bar b)^2(a - \bar a)]$ under $p$, at most $\mathrm{range}(a)\,b^\top S b$, so $S(z + a) \preceq e^{\mathrm{range}(a)}S(z)$ with $\mathrm{range}(a) \le \sqrt2\|a\|$ (self-concordance; Bach 2010).
- **$S$ is $c$-Lipschitz**, $c = 2\sqrt2/(6\sqrt3) < 0.2722$: a variable of range $r$ has a third central moment of at most $r^3/(6\sqrt3)$. This is of use far from the solution, where the factor is large.

With $\mu = \lambda$, $d = \|\nabla g(W)\|/\lambda \ge \|W - W^\star\|$, $\bar x = \max\|x_i\|$ and $q = e^{\sqrt2\bar xd}$, on the ball of radius $d$ around $W$, which holds $W^\star$,

$$A_1 = \min\Bigl(q\bigl(\sum s_i^2\|x_i\|^2\bigr)^{1/2}, \tfrac12\|X\|\Bigr), \quad A_2 = \min\Bigl(q\sum s_i\|x_i\|^2, \tfrac12\|X\|^2\Bigr), \quad D_1 = \min\Bigl((q - 1)\bigl(\sum s_i^2\|x_i\|^2\bigr)^{1/2}, c\,\bar xd\,\|X\|\Bigr), \quad D_2 = \min\Bigl((q - 1)\sum s_i\|x_i\|^2, c\,\bar xd\,\|X\|^2\Bigr)$$

bound $\|(S_i\,Xv)_i\| \le A_1\|v\|$ and $\|X^\top SX\| \le A_2$, and in the same way $D_1$ and $D_2$ the differences of these from their values at $W$; $B_1$ and $B_2$ are $A_1$ and $A_2$ of the query features. Then $\nabla f$ is $B_2/m$-Lipschitz, and with $r = v - (H + \lambda)u$

$$\|u - u^\star\| \le \frac1\lambda\Bigl(\|r\| + \frac{B_2}md + \frac{D_2}n\|u\|\Bigr) .$$

What is left is how $\partial_z f$ and $C^\top$ change. Write a star for what is taken at $W^\star$.

- In $X_q$: $R^\star W^{\star\top} - RW^\top = R(W^\star - W)^\top + (R^\star - R)W^{\star\top}$, $\|R^\star - R\| \le B_1d/m$, so the sum is at most $L_z d$ with $L_z = \|R\| + B_1(\|W\| + d)/m$.
- In $X$, at a fixed $u$: $(E^\star - E)u^\top + (T^\star - T)W^\top + T^\star(W^\star - W)^\top$ with $\|E^\star - E\| \le A_1d/n$, $\|T^\star - T\| \le D_1\|u\|/n$ and $\|T^\star\| \le A_1\|u\|/n$: together $C_1\|u\|$ with $C_1 = (2A_1d + D_1\|W\|)/n$.
- $\|C^{\star\top}w\|$ in the features for any $w$: $\|E^\star w^\top + T^\star(w)W^{\star\top}\| \le K\|w\|$ with $K = \|E\| + A_1(\|W\| + 2d)/n$.

The error in the features is at most $L_z d + C_1\|u\| + K\|u - u^\star\|$, in $W_0$ at most $\lambda\|u - u^\star\|$. Squares have $s = 1$, and $S$ does not change. `HeadCertificate` adds the rounding of all that it is made of, in double precision; what rounding does to the logits is as if $W$ were further away.
*)

let distance (a: FeatureGradient) =
    sqrt (
        (a.Support - gradient.Support).FrobeniusNorm() ** 2.0
        + (a.Query - gradient.Query).FrobeniusNorm() ** 2.0
    )

let length = sqrt (gradient.Support.FrobeniusNorm() ** 2.0 + gradient.Query.FrobeniusNorm() ** 2.0)

let points =
    [
        for exponent in 1..9 ->
            let threshold = 10.0 ** -(float exponent)
            let w, u = solve threshold threshold
            let certificate = HeadCertificate.Of(head.Measure(lambda, centre, w, u))
            threshold, distance (head.FeatureGradient(w, u)) / length, certificate.FeatureError / length
    ]

for threshold, error, bound in points do
    holds $"solves to {threshold:E0}: the error is {error:E1}, certified to be at most {bound:E1}" (error <= bound)
(*** include-output ***)

(*** hide ***)
chart
    "threshold of the solves"
    "relative to the gradient"
    [
        "error", [ for threshold, error, _ in points -> threshold, error ]
        "certificate", [ for threshold, _, bound in points -> threshold, bound ]
    ]
(*** include-it-raw ***)

(**
The features may be of any size: with $\lambda$ the same,
*)

for scale in [ 1.0; 10.0; 100.0 ] do
    let scaled = ConvexHead(HeadLoss.CrossEntropy, scale * head.Support, labels, scale * head.Query, labels)
    let struct (w, _) = scaled.Solve(lambda, centre, 1e-11, 100)
    let struct (u, _) = scaled.Adjoint(lambda, w, 1e-11)
    let bound = (HeadCertificate.Of(scaled.Measure(lambda, centre, w, u))).RelativeError
    holds $"features times {scale}: the relative error is certified to be at most {bound:E1}" (bound < 1e-3)
(*** include-output ***)

(**
## What is certified, and what is not

The bound is about the gradient of $F$ in the features as they are stored. The pass back to the weights is linear in that gradient, in the network's own precision: its rounding is not counted, and an error in the weights would need a bound on the network's Jacobian, for which there are
estimates alone. The error is relative to the gradient in the features that come from the network: the constant feature of the bias has a gradient too, often a large one, but it is not used (`ConvexHead.Measure`). `imaml train --algorithm head` writes the largest certified relative error in the features of every meta-step into the log (`certifiedError`); with `--accuracy ε` its thresholds are lowered until it is at most ε.

Along the run of Table 2 on Omniglot 5-way 1-shot, λ = 1 and ε = 0.01 ([`results/table2/5w1s/head`](../results/table2/5w1s/head)), all solves reach the same thresholds, and the bound grows slowly with the features:
*)

let logged =
    [
        for line in System.IO.File.ReadLines(__SOURCE_DIRECTORY__ + "/../results/table2/5w1s/head/seed-1/progress.jsonl") do
            use document = System.Text.Json.JsonDocument.Parse line
            let step = document.RootElement.GetProperty "step"
            let number (name: string) = (step.GetProperty name).GetDouble()
            number "metaStep", number "certifiedError", number "innerGradientNorm"
    ]

holds "every inner solve ends with a gradient of at most 1e-9" (logged |> List.forall (fun (_, _, norm) -> norm <= 1e-9))
(*** include-output ***)

(*** hide ***)
chart
    "meta-step"
    "largest of 1,000 tasks"
    [
        "certified relative error", [ for step, bound, _ in logged -> step, bound ]
        "inner gradient norm", [ for step, _, norm in logged -> step, norm ]
    ]
(*** include-it-raw ***)
