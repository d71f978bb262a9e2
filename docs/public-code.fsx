(**
---
title: Public code
category: The mathematics
categoryindex: 1
index: 8
---
# What public implicit-gradient code computes

Ten public libraries, read at the commits below. For each: the recurrence or operator that it runs, when that is the exact meta-gradient, and its error on one task. The recurrences are in
`Experiments/PublicRecurrences.fs` in `src/Imaml.Theory`; each statement is a test.

| code | file | read at | runs | exact |
|---|---|---|---|---|
| the authors' [imaml_dev](https://github.com/aravindr93/imaml_dev) | `implicit_maml/learner_model.py`, `examples/omniglot_implicit_maml.py` | `6a2a669` | CG on $(1 + c)I + H/(\lambda + 10)$; inner loop on $\hat L$, then one step towards $\theta$ | at $\varphi^\star$, where $v$ is an eigenvector of $H$ with eigenvalue $c\lambda(\lambda + 10)/10$ |
| [hypertorch](https://github.com/prolearner/hypertorch) | `hypergrad/CG_torch.py`, `hypergradients.py` | `6241dfa` | CG; the iterate before the last, if the tolerance is reached | if the budget ends before the tolerance is reached |
| [BOAT](https://github.com/callous-youth/BOAT) | `boat_torch/utils/op_utils.py` | `aaa1d57` | the same | the same |
| [Betty](https://github.com/leopard-ai/betty) | `betty/hypergradient/cg.py` | `cb6221f` | CG; the residual's step divided by `cg_alpha` | `cg_alpha` = 1, the default |
| [moskomule/hypergrad](https://github.com/moskomule/hypergrad) | `hypergrad/approx_hypergrad.py` | `67af0d2` | CG; directions from the residual before the step; the residual's step divided by `lr` | after one step, where that solves the system |
| [AiDotNet](https://github.com/ooples/AiDotNet) | `src/MetaLearning/Algorithms/iMAMLAlgorithm.cs` | `1f3bc96` | CG on $I + \lambda H$; inner loop on $\hat L$ | at $\varphi^\star$, where $\lambda = 1$ |
| [GBML](https://github.com/sungyubkim/GBML) | `gbml/imaml.py` | `1577e17` | CG on $I + H/\lambda$; inner loop on $\hat L$ | at $\varphi^\star$ |
| [JAXopt](https://github.com/google/jaxopt) | `jaxopt/_src/implicit_diff.py`, `linear_solve.py` | `2de13bf` | CG on the normal equations, other solvers by choice | yes |
| [TorchOpt](https://github.com/metaopt/torchopt) | `torchopt/diff/implicit/decorator.py`, `linalg/cg.py` | `960fb0a` | CG, or CG on the normal equations | yes |
| [lineax](https://github.com/patrick-kidger/lineax) | `lineax/_solver/cg.py` | `2f0e083` | CG, the residual computed anew every 10 steps | yes |

"Exact" is the limit of many steps, up to rounding; $v = \nabla L(\varphi)$. The functions of the first five, of GBML and of TorchOpt were also run, in PyTorch 1.13 and double precision on the task of this page: they return what the recurrences return, to
$10^{-13}$ ([`results/public-code`](../results/public-code)). AiDotNet, JAXopt and lineax were read only.
*)

(*** hide ***)
#I "../proofs-checks/bin/Release/net10.0"
#r "MathNet.Numerics.dll"
#r "Imaml.Math.FSharp.dll"
#r "Imaml.Theory.dll"
#load "Page.fs"

(**
## The task

Ridge regression in $\mathbb R^3$ with $\lambda = 2$, in [`samples/problems/public-code.json`](../samples/problems/public-code.json). Its exact meta-gradient is $g^\star = \lambda(H + \lambda I)^{-1}\nabla L(\varphi^\star)$.
An implementation can depart from it in two places: in $\varphi$, and in the answer to the linear system at that $\varphi$. So each error is measured twice, at $\varphi^\star$ and after the code's own inner loop,
with 16 steps of 0.1 in all of them: the values of the authors' README and of hypertorch's example.
*)

open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Page

let task = PublicRecurrences.task
let exact = BilevelTask.exactMetaGradient task
let solution = BilevelTask.exactSolution task task.Theta
let v = task.Outer.Gradient solution
let h = task.Inner.Hessian solution
let lambda = 2.0

let error (g: Vector<float>) = (g - exact).L2Norm() / exact.L2Norm()
let cosine (g: Vector<float>) = g.DotProduct exact / (g.L2Norm() * exact.L2Norm())

(** Algorithm 2 with these budgets: *)

let algorithm2 cgSteps =
    let result =
        ImplicitMetaGradient.Compute(
            space,
            ScalarRegularizer<Vector<float>, float> lambda,
            BilevelTask.problem task,
            GradientDescentSolver(ConstantStep PublicRecurrences.InnerStep, PublicRecurrences.InnerSteps),
            ConjugateGradientSolver(budget cgSteps),
            task.Theta
        )

    result.Gradient

printfn $"relative error of Algorithm 2: {short (error (algorithm2 5))}"
(*** include-output ***)

(**
## Conjugate gradients

With $A = H + \lambda I$, from $u_0 = 0$, $r_0 = p_0 = v$:

$$\alpha_k = \frac{\|r_k\|^2}{p_k^\top A p_k}, \quad u_{k+1} = u_k + \alpha_k p_k, \quad r_{k+1} = r_k - \alpha_k A p_k, \quad \beta_k = \frac{\|r_{k+1}\|^2}{\|r_k\|^2}, \quad p_{k+1} = r_{k+1} + \beta_k p_k ,$$

and $g = \lambda u$. In $\mathbb R^3$ three steps suffice. **lineax** and **TorchOpt** (`torchopt.linalg.cg`) run this. **JAXopt** by default, and TorchOpt in its iMAML example, solve $A^2u = Av$, which also serves an $A$ that is not symmetric: exact as well, at two products a step,
with $\kappa^2$ for $\kappa$. Conjugate gradients with as many products are never further from the solution, in $A$'s norm.
*)

let textbook = ConjugateRecurrence.textbook
let product (w: Vector<float>) = h * w + lambda * w
let meta recurrence steps = lambda * ConjugateRecurrence.run recurrence product v steps
let normal steps = lambda * ConjugateRecurrence.run textbook (product >> product) (product v) steps

holds "three steps are exact to rounding" (error (meta textbook 3) < 1e-13)
holds "so are three on the normal equations" (error (normal 3) < 1e-13)
printfn $"after two steps: CG {short (error (meta textbook 2))}, normal equations {short (error (normal 2))}"
(*** include-output ***)

(**
## The iterate before the last

The loop of **hypertorch** (and **BOAT**'s, which has the same text in its function `cg_step`) computes $u_{k+1}$ and $r_{k+1}$, leaves where $\|r_{k+1}\| < \varepsilon$, and returns $u_k$. A budget that ends first returns the last iterate, as it should.

- The residual of what is returned is at least $\varepsilon$, above it by the reduction of the last step. Where convergence is gradual that is a small factor. Conjugate gradients end exactly after as many steps as $H$ has distinct eigenvalues with a part of $v$; there it is everything that the last step would have removed.
- A system that is solved in one step gives $u_0 = 0$.
- In single precision, that of its examples, hypertorch's third step leaves a residual of about $10^{-8}$ on this task: above $\varepsilon = 10^{-10}$, and the loop goes on. The iterate before the last is then right, to rounding. The rows below are double precision.
*)

let beforeLast = PublicRecurrences.beforeLast 1e-10
printfn $"K = 5: {short (error (meta beforeLast 5))}"
holds "it is the iterate after two steps" (meta beforeLast 5 = meta textbook 2)

holds "a system with A = 3I gives 0" ((ConjugateRecurrence.run beforeLast (fun w -> 3.0 * w) v 5).L2Norm() = 0.0)
(*** include-output ***)

(**
`imaml solve` prints this iterate with the budget that the loop had: `--cg-steps 2` (below).

Both libraries' Neumann series, and hypertorch's `fixed_point`, are exact.

## A scaled residual

**Betty** has an option `cg_alpha`, $s$ here: it divides $\alpha_k$ by $s$ and multiplies the answer by $s$. The residual is updated with the divided step:

$$u_{k+1} = u_k + \alpha_k p_k, \qquad r_{k+1} = r_k - \frac{\alpha_k}{s} A p_k .$$

For $s = 1$, the default and the value of its iMAML example, these are conjugate gradients. For another $s$ the first step is still right; then $r$ is not the residual any more. Its tests use $s = 0.1$ with three steps. On a system that one step solves the answer
after two is $1 + \frac{q}{1 + q}$ times the solution, $q = 1 - \frac1s$ ($s \neq \frac12$): 2.125 times for $s = 0.1$.
*)

let scaled s = { textbook with ResidualScale = s }

for s in [ 1.0; 0.5; 0.1 ] do
    printfn
        $"s = {s}: one step {short (error (meta (scaled s) 1))}, two {short (error (meta (scaled s) 2))}, three {short (error (meta (scaled s) 3))}"

let twoSteps = ConjugateRecurrence.run (scaled 0.1) (fun w -> 3.0 * w) v 2
holds "2.125 times the solution of 3Iu = v" ((twoSteps - 2.125 / 3.0 * v).L2Norm() < 1e-13 * v.L2Norm())
(*** include-output ***)

(**
## The residual before the step

**moskomule/hypergrad** forms the new direction from the old residual, $p_{k+1} = r_k + \beta_k p_k$, and scales as Betty does, with $s$ = `lr`; its example's default is `lr` = 0.1, five steps. Since $p_0 = r_0 = v$, $p_1 = (1 + \beta_0)v$: after two steps the answer is still a
multiple of $v$, first-order MAML's direction. Where $v$ is an eigenvector of $H$ the first step is exact, and with $s \ne 1$ the next ones leave the solution: with $s$ = 0.1 the answer grows by about one solution a step. With $s = 1$ they are 0/0.
*)

let oldResidual s =
    { textbook with
        OldResidual = true
        ResidualScale = s
    }

for s in [ 1.0; 0.1 ] do
    printfn
        $"lr = {s}: two steps {short (error (meta (oldResidual s) 2))}, five {short (error (meta (oldResidual s) 5))}, twenty {short (error (meta (oldResidual s) 20))}"

let second = meta (oldResidual 1.0) 2
let onEigenvector = ConjugateRecurrence.run (oldResidual 0.1) (fun w -> 3.0 * w) v 5
holds "at lr = 0.1 five steps make 5.09 times the solution of 3Iu = v" ((onEigenvector - 5.09 / 3.0 * v).L2Norm() < 0.005 * v.L2Norm())
holds "after two steps a multiple of v" ((second - second.DotProduct v / v.DotProduct v * v).L2Norm() < 1e-13 * second.L2Norm())
(*** include-output ***)

(**
Betty's and moskomule's loops have a budget and no tolerance: after a residual of exactly 0 the next step is $0/0$. Their Neumann series are exact. The relative errors against the steps; points below $10^{-12}$ are left out:
*)

(*** hide ***)
chart
    "steps"
    "relative error at φ*"
    [
        let series recurrence =
            [
                for k in 1..10 do
                    let e = error (meta recurrence k)

                    if e > 1e-12 then
                        float k, e
            ]

        "conjugate gradients", series textbook
        "iterate before the last", series beforeLast
        "scaled residual, s = 0.1", series (scaled 0.1)
        "residual before the step", series (oldResidual 1.0)
    ]
(*** include-it-raw ***)

(**
## Another operator

**The authors' code** calls `matrix_evaluator(task, lam, args.cg_damping)`: the damping $c$ arrives as the coefficient of a second identity, and $\lambda$ is raised by 10. It solves

$$\Bigl((1 + c)I + \frac{H}{\lambda + 10}\Bigr)g = v ,$$

$2I + H/12$ for the README's $\lambda = 2$, $c = 1$. This is $\frac1{1 + c}$ of the meta-gradient for $\lambda' = (1 + c)(\lambda + 10)$: half of the one for $\lambda = 24$. In an eigenvector of $H$ with eigenvalue $h$ it is $\frac{6(h + 2)}{h + 24}$ of the meta-gradient,
from a half at $h = 0$ to 6 at large $h$, and right at $h = 2.4$. Where $h$ is small compared with 24 it is nearly $v/2$.

**AiDotNet** solves $(I + \lambda H)g = v$: the meta-gradient for $1/\lambda$. Its default, $\lambda = 1$, is the value at which both are the same. (Its products are central differences of gradients, here exact ones.) **GBML** solves $(I + H/\lambda)g = v$ from $g_0 = v$, which is the paper's system; its code sets $\lambda = 100$ and one step.
*)

let identity = Matrix<float>.Build.DenseIdentity 3
let implicitly (lambda: float) : Vector<float> = lambda * (h + lambda * identity).Cholesky().Solve v
let authors: Vector<float> = (2.0 * identity + h / 12.0).Cholesky().Solve v
let aiDotNet: Vector<float> = (identity + lambda * h).Cholesky().Solve v

holds "2I + H/12 gives half of the meta-gradient for λ = 24" ((authors - implicitly 24.0 / 2.0).L2Norm() < 1e-13 * exact.L2Norm())
holds "I + 2H gives the one for λ = 1/2" ((aiDotNet - implicitly 0.5).L2Norm() < 1e-13 * exact.L2Norm())

printfn
    $"2I + H/12: relative error {short (error authors)}, cosine {cosine authors:F3}; cosine with v {authors.DotProduct v / (authors.L2Norm() * v.L2Norm()):F4}"

printfn $"I + 2H:    relative error {short (error aiDotNet)}, cosine {cosine aiDotNet:F3}"
(*** include-output ***)

(**
## Another inner problem

$g^\star$ is the derivative of $L$ at the minimiser of $\hat L(\varphi) + \frac\lambda2\|\varphi - \theta\|^2$. GBML, AiDotNet and the authors' code run their inner steps on $\hat L$ alone; the authors' then takes one step of the same size on $\frac\lambda2\|\varphi - \theta\|^2$. Few small steps from $\theta$
act as a proximal term does, to first order in $h$ with a $\lambda$ of one over the number of steps times their size; many tend to the minimiser of $\hat L$, whatever $\lambda$ is. In hypertorch's, Betty's and TorchOpt's iMAML examples the term is part of the inner loss.
*)

for steps in [ 4; 16; 100 ] do
    let errorAt mu = error (BilevelTask.implicitGradient task (PublicRecurrences.descend mu steps 0.1 task))
    printfn $"{steps, 3} steps: with the term {short (errorAt lambda)}, without it {short (errorAt 0.0)}"
(*** include-output ***)

(**
## All of them

Relative error and cosine against $g^\star$. Settings are those of the codes' examples or, for GBML, as many steps as the task has dimensions.
*)

(*** hide ***)
let solver: ILinearSolver<Vector<float>, float> = ConjugateGradientSolver(budget 5)

let rows =
    [
        "Algorithm 2, 5 steps", lambda * solver.Solve(space, LinearOperator.Of product, v, 0.0).Solution, algorithm2 5
        for code in PublicRecurrences.all do
            code.Name, code.Gradient task solution, code.Gradient task (code.Phi task)
    ]

let cells (g: Vector<float>) =
    let size = if error g < 1e-13 then "rounding" else short (error g)
    $"<td>{size}</td><td>{cosine g:F3}</td>"

let lines =
    [
        for name, at, own in rows -> $"<tr><td>{name}</td>{cells at}{cells own}</tr>"
    ]
    |> String.concat "\n"

$"<table><thead><tr><th>code</th><th>error at φ*</th><th>cosine</th><th>error, own inner loop</th><th>cosine</th></tr></thead><tbody>{lines}</tbody></table>"
(*** include-it-raw ***)

(**
All but the authors', AiDotNet's and GBML's code leave the inner loop to their users; here it is gradient descent with the proximal term.

## Check another code

Give it the numbers of the file and compare:

```bash
imaml solve samples/problems/public-code.json --method exact
imaml solve samples/problems/public-code.json --inner-steps 16 --cg-steps 5 --step-size 0.1
imaml solve samples/problems/public-code.json --inner-steps 16 --cg-steps 2 --step-size 0.1
```

The first prints $g^\star$, the second what 16 inner steps and five of conjugate gradients give, with a certified bound on its error, and the third the $g$ of a loop that returns the iterate before the last.
For an operator take an outer loss whose gradient is the same everywhere (`"kind": "quadratic"` with `A` = 0), so that $\varphi$ does not matter: with `"lambda": 24` the program then prints twice what $2I + H/12$ gives, and with `"lambda": 0.5` what $I + 2H$ gives. A small dimension
shows most: conjugate gradients end after as many steps as there are dimensions, and what is left is the implementation's. [Check your own implicit gradient](check-your-gradient.md) has the rest.
*)
