(**
---
title: A general lower level
category: The mathematics
categoryindex: 1
index: 7
---
# A general lower level: hyper-parameters, example weights, and their certificate

The outer variables $z$ need not be the centre of the proximal term, or elements of the space of the inner variables $x$. They may be the logarithms of the regularisation, or one weight for each training example. The code is `Problem/LowerLevel.fs`,
`MetaGradients/ImplicitMetaGradient.fs`, `ErrorBounds/LowerLevelCertificate.fs` and `ErrorBounds/AdaptiveLowerLevel.fs` in `src/Imaml.Math.FSharp`; the families below are `Problems/LowerLevels.fs` in `src/Imaml.Theory`.
*)

(*** hide ***)
#I "../proofs-checks/bin/Release/net10.0"
#r "MathNet.Numerics.dll"
#r "Imaml.Math.FSharp.dll"
#r "Imaml.Theory.dll"
#load "Page.fs"

(** On this page: softmax regression with 3 classes and 4 features, 30 training examples. *)

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Page

let random = Random 4
let weights = 2.0 * Spectrum.gaussianMatrix random 4 3
let struct (x, y) = SoftmaxRegression.examples random weights 30
let struct (xq, yq) = SoftmaxRegression.examples random weights 40
let training = SoftmaxRegression.loss 3 x y
let validation = SoftmaxRegression.loss 3 xq yq

(**
## The gradient

$$x^\star(z) = \operatorname*{arg\,min}_x g(z, x), \qquad F(z) = f(z, x^\star(z)).$$

With $A = \partial^2_{xx} g$ and $C = \partial^2_{xz} g$, differentiating $\partial_x g(z, x^\star(z)) = 0$ gives $A\,\mathrm dx^\star = -C\,\mathrm dz$. So with $u$ from $A u = \partial_x f$,

$$\nabla F(z) = \partial_z f - C^\top u .$$

Every $g$ here has a proximal term, $g(z, x) = \hat L(x) + \tfrac12\|x - c\|^2_\Lambda$, in which $\hat L$, $\Lambda$ and $c$ may all depend on $z$. At one $z$ this is the paper's inner problem with $\theta = c$ and $A = H + \Lambda$: every inner solver,
linear solver and status works as it is. What is added is one pull-back, $(x, u) \mapsto \partial_z f - C^\top u$. The paper's problem is $z = c$: $C = -\Lambda$, and the pull-back is $\Lambda u$.

| family | $z$ | $\nabla F(z)$ |
|---|---|---|
| proximal | $\theta = c$ | $\Lambda u$ |
| `logLambda` | $\log\lambda$: one, one for each group, or one for each coordinate | $-\sum_{j \in g} (x - c)_j (\Lambda u)_j$ |
| `exampleWeights` | $\hat L = \frac1n\sum_i \sigma(z_i)\,\ell_i$ | $-\frac1n\,\sigma'(z_i)\,\langle\nabla\ell_i(x), u\rangle$ |
| `cross` | $\hat L + x^\top B z$, $f = L + x^\top E z$ | $E^\top x - B^\top u$ |
*)

let decay = LowerLevels.logLambda OneForAll (Vector<float>.Build.Dense 12) training validation
let at (value: float) = Vector<float>.Build.Dense(1, value)

let slope (level: KnownLowerLevel) (z: Vector<float>) (direction: Vector<float>) =
    let h = 1e-4

    (level.Value(z + h * direction) - level.Value(z - h * direction)) / (2.0 * h)

let struct (byDecay, _) = decay.ExactGradient(at -3.0)
let difference = slope decay (at -3.0) (at 1.0)

holds $"dF/d log λ at λ = e⁻³ is {byDecay[0]:F6}, its central difference {difference:F6}" (abs (byDecay[0] - difference) < 1e-7)
(*** include-output ***)

(**
## The certificate

At any $x$ and $u$, whoever made them, let $\delta = \|\partial_x g\|/\mu \ge \|x - x^\star\|$ and $r = \partial_x f - A u$. $A^\star(u - u^\star) = (A^\star - A)u - r + (\partial_x f - \partial_x f^\star)$ gives

$$\|u - u^\star\| \le E_u = \tfrac1\mu\bigl(\|r\| + (L + \rho\|u\|)\,\delta\bigr),$$

which the certificate of the paper's problem at $z$ bounds already, with its rounding: it is $\|\Lambda\|E_u$. Then split $C^\top u - C^{\star\top}u^\star = (C - C^\star)^\top u + C^{\star\top}(u - u^\star)$:

$$\|\nabla F_{\text{computed}} - \nabla F(z)\| \le S\,\delta + (K + \rho_C\delta)\,E_u + \text{rounding},$$

$S$ a Lipschitz constant in $x$ of $\partial_z f - C^\top u$ with $u$ held ($L_z + \rho_C\|u\|$ is one, the families have smaller ones), $\rho_C$ one of $C$, $K \ge \|C\|$ at this $x$. The three numbers of each family:

**Logarithms of λ.** $C^\top u = P^\top[(x - c)\circ\Lambda u]$, $P$ the matrix that repeats a group's number for its coordinates. By Cauchy and Schwarz group by group, $\|P^\top(a \circ b)\| \le \max_g\|a_g\|\,\|b\|$. So $S = \|\Lambda u\|$,
$K = \max_g\|\Lambda(x - c)\|_g$, $\rho_C = \|\Lambda\|$.

**Example weights.** Write $x$, $u$ and a change of $x$ as matrices $W$, $U$ and $\Delta W$; the rows of $D$ are the examples $a_i$. $\ell_i$ is a loss of $W^\top a_i$ with $0 \preceq \nabla^2\ell \preceq c_2 I$ (1 for squares, ¼ logistic, ½ softmax), $e_i$ its gradient there. Then
$|\langle e_i(x) - e_i(x'), U^\top a_i\rangle| \le c_2\,\|U^\top a_i\|\,\|\Delta W^\top a_i\|$ and $\sum_i\|\Delta W^\top a_i\|^2 \le \|D\|^2\|\Delta W\|^2$. With $w' = \sigma'(z)$: $S = c_2\|D\|\max_i w'_i\|U^\top a_i\|/n$, $K = \|D\|\max_i w'_i\|e_i\|/n$, $\rho_C = c_2\|D\|\max_i w'_i\|a_i\|/n$.

**A cross term.** $C = B$ and $\partial_z f = E^\top x$: $S = \|E\|$, $K = \|B\|$, $\rho_C = 0$.

**The paper's problem.** $S = \rho_C = 0$ and $K = \|\Lambda\|$: the bound is the paper's certificate.

For squares, one shared $\lambda$ and weights each is attained on problems of one or two parameters, so none can be smaller there (claims "a general lower level" of the ledger); $c_2$ of the other losses is approached only. The rounding of the pull-back is counted as that of sums of products.
*)

let level =
    LowerLevels.exampleWeights (Link.Softmax 3) x y validation (Proximal.Scalar 0.05) (Vector<float>.Build.Dense 12)

let z = Vector<float>.Build.Dense 30
let task = level.Task z
let constants = BilevelTask.constants task
let struct (exact, own) = level.ExactGradient(z)

let points =
    [
        for steps in [ 1; 2; 5; 10; 20; 50; 100; 200; 400 ] do
            let inner = GradientDescentSolver<Vector<float>, float>(ConstantStep(1.0 / constants.Smoothness), steps)
            let linear = ConjugateGradientSolver<Vector<float>, float>(budget (min 40 steps))

            let found =
                ImplicitMetaGradient.Compute(
                    space,
                    space,
                    level.Certified,
                    inner,
                    (LinearAdjointSolver linear: IAdjointSolver<Vector<float>, float>),
                    Thresholds.None,
                    z
                )

            let struct (gradient, bound) = level.GradientAt(z, found.Report.Phi, found.Report.Solve.Solution)

            float steps, (gradient - exact).L2Norm(), bound.Total
    ]

holds
    "the error of the gradient in 30 example weights is below its certificate, from 1 to 400 inner steps"
    (points |> List.forall (fun (_, error, bound) -> error <= bound + own.Total))
(*** include-output ***)

(** The error and its certificate against the number of inner steps: *)

(*** hide ***)
chart
    "inner steps"
    "‖∇F − computed‖"
    [
        "error", [ for steps, error, _ in points -> steps, error ]
        "certificate", [ for steps, _, bound in points -> steps, bound ]
    ]
(*** include-it-raw ***)

(**
## To an accuracy

`AdaptiveLowerLevel.Compute` runs Algorithm 2 from where it ended last, with thresholds of $\|\nabla G\|$ and $\|r\|$ that follow from the certificate, until the certificate is at most ε.
*)

let nesterov =
    let struct (step, momentum) = Momentum.NesterovFor(constants.StrongConvexity, constants.Smoothness)
    GradientDescentSolver<Vector<float>, float>(ConstantStep step, momentum, 100_000, 1)

let certified =
    AdaptiveLowerLevel.Compute(
        space,
        space,
        level.Certified,
        nesterov,
        ConjugateGradientSolver<Vector<float>, float>(LinearSolveOptions.ToTolerance(1000, 0.0)),
        { Accuracy = 1e-8; MaxRounds = 10 },
        z
    )

holds
    $"ε = 1e-8: {certified.Statuses[0]} in {certified.Works[0].Rounds} rounds, certified {short certified.Bounds[0].Total}, error {short ((certified.Gradient.Gradient - exact).L2Norm())}"
    (certified.Statuses[0] = CertifiedStatus.Met
     && (certified.Gradient.Gradient - exact).L2Norm() <= 1e-8)
(*** include-output ***)

(**
The relative rounding errors of `λ = e^z`, of `w = σ(z)` and of its derivative are included: the bound is of the gradient at the $z$ that was given.

## Wrong labels

Some of the training labels are now replaced by wrong ones. The gradient in the weights, at weights that are all equal, is positive on average for the wrong ones, so that descent lowers their weights: data hyper-cleaning. `samples/hyper-cleaning.cs` does this on Omniglot.
*)

let wrong = [ for i in 0..29 -> random.Next 3 = 0 && random.Next 3 <> int y[i] ]

let spoiled =
    Vector<float>.Build.Dense(30, fun i -> if wrong[i] then float ((int y[i] + 1) % 3) else y[i])

let cleaning =
    LowerLevels.exampleWeights (Link.Softmax 3) x spoiled validation (Proximal.Scalar 0.05) (Vector<float>.Build.Dense 12)

let struct (byWeight, _) = cleaning.ExactGradient(z)
let mean chosen = List.zip wrong (List.ofSeq byWeight) |> List.filter (fst >> (=) chosen) |> List.averageBy snd

holds
    $"the mean derivative in the weights of the {wrong |> List.filter id |> List.length} wrong labels is {mean true:F5}, of the others {mean false:F5}"
    (mean true > 0.0 && mean false < 0.0)
(*** include-output ***)
