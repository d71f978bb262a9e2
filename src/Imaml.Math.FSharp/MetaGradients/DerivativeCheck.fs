// Are a task's derivatives those of its losses? No solver notices: with a ∇L̂ or an Hw that is wrong by 1 % it converges all the same, and a
// certificate then bounds the distance from another problem's meta-gradient. Along random e and f with entries ±1/√d,
//
//     ⟨∇L̂, e⟩ = (L̂(φ + he) − L̂(φ − he))/2h        He = (∇L̂(φ + he) − ∇L̂(φ − he))/2h        ⟨f, He⟩ = ⟨e, Hf⟩
//
// but for h²T/6 + η/h as in FiniteDifferences, and likewise of L. The mean of ⟨x, e⟩² is ‖x‖²/d, so a quotient of sums over directions estimates
// the relative error of a whole gradient, or of H in the Frobenius norm. How accurate the differences are is seen from those of step 2h.

namespace Imaml.Math

open System

/// A derivative compared with differences.
[<Struct>]
type DerivativeError =
    {
        /// The size of derivative − difference, relative to the larger of the two; 0 where the derivative is 0 and the difference rounding.
        Relative: float
        /// How accurate the differences are, relative to the same.
        Resolution: float
        /// The factor with which the differences are nearest to the derivative: 1, −1 for a wrong sign, 2 for a forgotten ½.
        Factor: float
    }

    /// The two differ by more than the differences' own error, or are not finite: the derivative is wrong, or the loss has none at φ.
    member e.IsWrong = not (e.Relative <= 10.0 * e.Resolution)

    /// The differences change so much with their step that they say little: the function is random, as with dropout, or has no derivative at φ, or
    /// rounding hides it.
    member e.IsUnsettled = e.Resolution > 0.05

/// What was found of one task's derivatives.
type DerivativeReport =
    {
        /// ∇L̂ against differences of L̂.
        InnerGradient: DerivativeError
        /// Hw against differences of ∇L̂.
        HessianProduct: DerivativeError
        /// ∇L against differences of L.
        OuterGradient: DerivativeError
        /// ‖H − Hᵀ‖/‖H‖, 0 but for rounding.
        Asymmetry: float
        /// What is wrong, in words; empty where nothing was found.
        Faults: string[]
    }

/// What the directions add up to: squares of derivative − difference, of the change with twice the step, of the derivative, and of the difference;
/// derivative · difference.
[<Struct; NoComparison; NoEquality>]
type private Squares =
    {
        Error: float
        Change: float
        Derivative: float
        Difference: float
        Product: float
    }

    static member Of (derivative: float) (difference: float) (wide: float) =
        {
            Error = pown (derivative - difference) 2
            Change = pown (difference - wide) 2
            Derivative = pown derivative 2
            Difference = pown difference 2
            Product = derivative * difference
        }

    static member Sum(all: Squares[]) =
        {
            Error = all |> Array.sumBy _.Error
            Change = all |> Array.sumBy _.Change
            Derivative = all |> Array.sumBy _.Derivative
            Difference = all |> Array.sumBy _.Difference
            Product = all |> Array.sumBy _.Product
        }

    /// `rounding` is that of all differences together.
    member s.Result(rounding: float) : DerivativeError =
        let size = sqrt (max s.Derivative s.Difference)

        // Where rounding hides a derivative that is not 0, it cannot be judged.
        if s.Derivative = 0.0 && size <= 10.0 * rounding then
            {
                Relative = 0.0
                Resolution = 0.0
                Factor = 1.0
            }
        else
            {
                Relative = sqrt s.Error / size
                Resolution = (sqrt s.Change + rounding) / size
                Factor = s.Product / s.Difference
            }

/// Whether the derivatives of a problem are those of its losses.
[<AbstractClass; Sealed>]
type DerivativeCheck =

    // What one direction shows of every task: L̂, H, L, and ⟨f, He⟩ − ⟨e, Hf⟩.
    static member private Along
        (
            space: IInnerProductSpace<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            linearization: ILinearization<'V, 'S>,
            outerGradient: 'V,
            phi: 'V,
            steps: float[],
            e: 'V,
            f: 'V
        ) =
        let at multiple = space.Axpy(space.PerTask(steps |> Array.map ((*) multiple)), e, phi)
        let quotient multiple = steps |> Array.map (fun step -> 0.5 / (multiple * step))
        let less a b = space.Add(a, space.Multiply(space.Scalar -1.0, b))
        let minus x y = space.Axpy(space.Scalar -1.0, y, x)
        let squares x = space.Read(space.Inner(x, x))

        let slope (loss: 'V -> 'S) multiple =
            space.Read(space.Multiply(space.PerTask(quotient multiple), less (loss (at multiple)) (loss (at -multiple))))

        let slopes (gradient: 'V) loss = Array.map3 Squares.Of (space.Read(space.Inner(gradient, e))) (slope loss 1.0) (slope loss 2.0)

        let outer x =
            let struct (loss, _) = problem.OuterLossAndGradient x
            loss

        let bend multiple =
            let change = minus (problem.InnerGradient(at multiple)) (problem.InnerGradient(at -multiple))
            space.Scale(space.PerTask(quotient multiple), change)

        let product = linearization.HessianProduct e
        let difference = bend 1.0
        let errors, changes = squares (minus product difference), squares (minus difference (bend 2.0))
        let derivatives, differences = squares product, squares difference

        let bends =
            space.Read(space.Inner(product, difference))
            |> Array.mapi (fun task both ->
                {
                    Error = errors[task]
                    Change = changes[task]
                    Derivative = derivatives[task]
                    Difference = differences[task]
                    Product = both
                })

        let skew = space.Read(less (space.Inner(f, product)) (space.Inner(e, linearization.HessianProduct f)))
        struct (slopes linearization.Gradient problem.InnerLoss, bends, slopes outerGradient outer, skew)

    static member private Words
        (inner: DerivativeError, product: DerivativeError, outer: DerivativeError, asymmetry: float, epsilon: float)
        =
        let fault (name: string) (reference: string) (e: DerivativeError) =
            [|
                if not (Double.IsFinite e.Relative) then
                    $"{name}, or a difference of {reference}, is not finite"
                elif e.IsUnsettled then
                    $"{name} cannot be judged: differences of {reference} change by {e.Resolution:P0} with their step; is it random, without a derivative here, or in single precision?"
                elif e.IsWrong then
                    $"{name} is off by {e.Relative:P2} from differences of {reference}, which are accurate to {e.Resolution:g1}; it is nearest to {e.Factor:g4} times them"
            |]

        [|
            yield! fault "the inner gradient" "the inner loss" inner
            yield! fault "the Hessian–vector product" "the inner gradient" product
            // A product rounds by some ε of its terms.
            if asymmetry > sqrt epsilon then
                $"the Hessian–vector product is not symmetric: ‖H − Hᵀ‖ is {asymmetry:P2} of ‖H‖"
            yield! fault "the outer gradient" "the outer loss" outer
        |]

    /// The derivatives of every task at φ, along `directions` random directions of a seed (8, say). A φ that is neither 0, nor θ, nor a solution shows
    /// most. A loss that depends on the φ of another task has a wrong gradient. Not found: what is wrong in a loss and its derivatives alike, such
    /// as a proximal term within L̂, and what is below ten times the differences' resolution (about 1e-9 in double precision, 1e-4 in single).
    /// Take double precision: in single precision the steps are so long that they cross the kinks of a network with rectifiers.
    ///
    /// Cost: a linearization, an outer gradient, and for each direction 2 products and 4 each of inner losses, inner gradients and outer gradients.
    /// Errors: fewer directions than 1.
    static member At
        (
            space: IInnerProductSpace<'V, 'S>,
            coordinates: ICoordinates<'V>,
            problem: IBilevelProblem<'V, 'S>,
            phi: 'V,
            directions: int,
            seed: int
        ) : DerivativeReport[] =
        if directions < 1 then
            invalidArg (nameof directions) $"at least 1 direction is needed, not {directions}"

        use _ = space.OpenRegion()
        let random = Random seed
        let epsilon = Mask.epsilonOf space [| phi |]
        let steps = space.Read(space.Norm phi) |> Array.map (fun norm -> Math.Cbrt epsilon * max 1.0 norm)
        let rows = coordinates.ToRows phi
        let entry = 1.0 / sqrt (float rows[0].Length)

        let direction () =
            coordinates.OfRows(phi, rows |> Array.map (Array.map (fun _ -> if random.Next 2 = 0 then entry else -entry)))

        use linearization = problem.LinearizeInner phi
        let struct (outerLoss, outerGradient) = problem.OuterLossAndGradient phi

        let found =
            Array.init directions (fun _ ->
                use _ = space.OpenRegion()
                DerivativeCheck.Along(space, problem, linearization, outerGradient, phi, steps, direction (), direction ()))

        let innerLosses, outerLosses = space.Read linearization.Loss, space.Read outerLoss
        let gradients = space.Read(space.Norm linearization.Gradient)

        Array.init rows.Length (fun task ->
            let rounding size = sqrt (float directions) * epsilon * abs size / steps[task]

            let sum (part: struct (Squares[] * Squares[] * Squares[] * float[]) -> Squares[]) =
                Squares.Sum(found |> Array.map (fun one -> (part one)[task]))

            let inner = (sum (fun (struct (inner, _, _, _)) -> inner)).Result(rounding innerLosses[task])
            let products = sum (fun (struct (_, product, _, _)) -> product)
            let product = products.Result(rounding gradients[task])
            let outer = (sum (fun (struct (_, _, outer, _)) -> outer)).Result(rounding outerLosses[task])
            let skew = found |> Array.sumBy (fun (struct (_, _, _, skew)) -> pown skew[task] 2)
            // The mean of ⟨f, He⟩² is ‖H‖²/d², that of ‖He‖² ‖H‖²/d.
            let asymmetry =
                if skew = 0.0 then
                    0.0
                else
                    sqrt (skew / products.Derivative) / entry

            {
                InnerGradient = inner
                HessianProduct = product
                OuterGradient = outer
                Asymmetry = asymmetry
                Faults = DerivativeCheck.Words(inner, product, outer, asymmetry, epsilon)
            })
