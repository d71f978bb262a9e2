// A linear head on n examples of p features, adapted in the span of the examples: at most n·N unknowns in place of p·N.
//
//     g(W) = (1/n) Σ ℓ(Wᵀxᵢ, yᵢ) + (λ/2)‖W − W₀‖²,   W ∈ ℝᵖˣᴺ,   logits Z = XW
//
// ∇g(W) = XᵀE + λ(W − W₀) with E = ∂ℓ/∂Z/n, so W* − W₀ is in the span of the examples (representer theorem; Kimeldorf and Wahba 1971). With
// X = LQᵀ, Q of orthonormal columns, it is W₀ + QV, and V is the minimiser of the same objective with the features L, n × r, and the logits
// XW₀ + LV: lengths and angles stay. A QR factorisation of Xᵀ keeps them to rounding, where the Gram matrix XXᵀ = LLᵀ would lose half of the digits.
//
// The adjoint system too: H acts on Qᵀv alone, so (H + λ)u = v has the solution u = v/λ + Q(s − Qᵀv/λ) with (LᵀSL/n + λ)s = Qᵀv, Sᵢ = ∇²ℓ.

namespace Imaml.Math

open System

/// ℓ(z, y), the loss of one example's logits z ∈ ℝᴺ against its label y, a unit vector. Convex, with 0 ⪯ ∇²ℓ.
type HeadLoss =
    /// −log softmax(z)_y: ∇ℓ = p − y, ∇²ℓ = diag(p) − ppᵀ ⪯ ½I.
    | CrossEntropy = 0
    /// ½‖z − y‖²: ∇ℓ = z − y, ∇²ℓ = I. The ridge head, a linear system.
    | Squares = 1

/// A head's inner solution W = W₀ + QV.
type HeadSolution =
    {
        /// V, r × N, row by row.
        Weights: float[]
        /// Z = XW₀ + LV, n × N.
        Logits: float[]
        /// ‖∇g(W)‖, as computed here.
        GradientNorm: float
        Status: InnerStatus
        /// Newton steps.
        Steps: int
        /// Products with H in conjugate gradients.
        Products: int
    }

/// The solution s of (LᵀSL/n + λ)s = b.
type HeadSystem =
    {
        /// s, r × N.
        Solution: float[]
        Products: int
    }

/// One task's head on features L, n × r, and labels Y, n × N, row by row; in double precision on the host.
///
/// Cost of a product: 2·n·r·N multiplications, half of it for a triangular L. Errors: λ that is not positive and finite; sizes that do not fit.
/// Numbers that are not finite give the status NonFinite.
[<Sealed>]
type ExampleSpace(loss: HeadLoss, features: float[], labels: float[], classes: int, lambda: float) =
    let n = labels.Length / max classes 1
    let r = features.Length / max n 1

    do
        Regularizer.checkPositive (nameof lambda) [ lambda ]

        if r < 1 || n * classes <> labels.Length || n * r <> features.Length then
            invalidArg
                (nameof features)
                $"L must be n × r and the labels n × N, not {features.Length} and {labels.Length} numbers for {classes} classes"

    let share = 1.0 / float n
    let width = Numerics.Vector<float>.Count

    /// y ← y + a·x on `classes` numbers.
    let addMultiple (a: float) (x: float[]) fromX (y: float[]) fromY =
        let factor = Numerics.Vector<float> a
        let mutable i = 0

        while i + width <= classes do
            (Numerics.Vector<float>(y, fromY + i) + factor * Numerics.Vector<float>(x, fromX + i)).CopyTo(y, fromY + i)
            i <- i + width

        while i < classes do
            y[fromY + i] <- y[fromY + i] + a * x[fromX + i]
            i <- i + 1

    /// LV of V, r × N
    let logitsOf (v: float[]) =
        let z = Array.zeroCreate<float>(n * classes)

        for i in 0 .. n - 1 do
            for k in 0 .. r - 1 do
                let a = features[i * r + k]
                // A triangular L has zeros.
                if a <> 0.0 then
                    addMultiple a v (k * classes) z (i * classes)

        z

    /// LᵀT + λV of T, n × N
    let pulled (t: float[]) (v: float[]) =
        let g = Array.map ((*) lambda) v

        for i in 0 .. n - 1 do
            for k in 0 .. r - 1 do
                let a = features[i * r + k]

                if a <> 0.0 then
                    addMultiple a t (i * classes) g (k * classes)

        g

    let inner (x: float[]) (y: float[]) =
        let mutable sum = 0.0

        for i in 0 .. x.Length - 1 do
            sum <- sum + x[i] * y[i]

        sum

    /// y + a·x
    let moved (a: float) (x: float[]) (y: float[]) = Array.map2 (fun x y -> y + a * x) x y

    /// softmax of every row; of squares the logits themselves.
    let outputs (z: float[]) =
        match loss with
        | HeadLoss.CrossEntropy ->
            let p = Array.zeroCreate<float> z.Length

            for i in 0 .. n - 1 do
                let mutable largest = -infinity

                for c in i * classes .. (i + 1) * classes - 1 do
                    largest <- max largest z[c]

                let mutable sum = 0.0

                for c in i * classes .. (i + 1) * classes - 1 do
                    p[c] <- exp (z[c] - largest)
                    sum <- sum + p[c]

                for c in i * classes .. (i + 1) * classes - 1 do
                    p[c] <- p[c] / sum

            p
        | _ -> z

    /// S t/n at the outputs p.
    let curvature (p: float[]) (t: float[]) =
        match loss with
        | HeadLoss.CrossEntropy ->
            let s = Array.zeroCreate<float> t.Length

            for i in 0 .. n - 1 do
                let mutable mean = 0.0

                for c in i * classes .. (i + 1) * classes - 1 do
                    mean <- mean + p[c] * t[c]

                for c in i * classes .. (i + 1) * classes - 1 do
                    s[c] <- share * p[c] * (t[c] - mean)

            s
        | _ -> Array.map ((*) share) t

    /// ∇g at V, of which p are the outputs.
    let gradient (p: float[]) (v: float[]) = pulled (Array.map2 (fun p y -> share * (p - y)) p labels) v

    /// Conjugate gradients from 0 until the residual is at most the target; at most r·N steps, and as many again for rounding.
    let solve (p: float[]) (b: float[]) (target: float) : HeadSystem =
        let s = Array.zeroCreate<float> b.Length
        let mutable residual = b
        let mutable direction = b
        let mutable square = inner b b
        let mutable products = 0

        while products < 2 * b.Length + 10 && sqrt square > target do
            let product = pulled (curvature p (logitsOf direction)) direction
            products <- products + 1
            let alpha = square / inner direction product

            for i in 0 .. s.Length - 1 do
                s[i] <- s[i] + alpha * direction[i]

            residual <- moved -alpha product residual
            let next = inner residual residual
            direction <- moved (next / square) direction residual
            square <- next

        { Solution = s; Products = products }

    // What a relative residual in double precision can be, with room.
    let floor = 2.0 ** -50.0

    /// V* by Newton's method from 0, until ‖∇g‖ ≤ gradientNorm. `start` is XW₀.
    ///
    /// A Newton direction is solved for by conjugate gradients, the more accurately the nearer the solution is, and halved until it lowers
    /// ‖∇g‖, whose square falls along it. Where none does the level of rounding is reached, and the status is Stalled.
    member _.Minimise(start: float[], gradientNorm: float, maxSteps: int) : HeadSolution =
        if start.Length <> labels.Length then
            invalidArg (nameof start) $"{start.Length} logits for {labels.Length} labels"

        let rec halved (v: float[]) (step: float[]) before length =
            let next = moved length step v
            let logits = Array.map2 (+) start (logitsOf next)
            let p = outputs logits
            let g = gradient p next
            let size = sqrt (inner g g)

            if size < before then
                ValueSome(struct (next, logits, p, g, size))
            elif length > 2.0 ** -30.0 then
                halved v step before (0.5 * length)
            else
                ValueNone

        let rec iterate v z p (g: float[]) (size: float) first steps products =
            let ended status =
                {
                    Weights = v
                    Logits = z
                    GradientNorm = size
                    Status = status
                    Steps = steps
                    Products = products
                }

            if not (Double.IsFinite size) then
                ended InnerStatus.NonFinite
            elif size <= gradientNorm then
                ended InnerStatus.Converged
            elif size <= floor * first then
                ended InnerStatus.Stalled
            elif steps = maxSteps then
                ended InnerStatus.StepLimit
            else
                // The residual of the direction is the gradient after the step, to second order; of squares it is that itself.
                let enough =
                    match loss with
                    | HeadLoss.CrossEntropy -> size * min 0.1 (size / first)
                    | _ -> floor * size

                let step = solve p (Array.map (~-) g) (max (0.25 * gradientNorm) enough)

                match halved v step.Solution size 1.0 with
                | ValueSome(struct (v, z, p, g, size)) -> iterate v z p g size first (steps + 1) (products + step.Products)
                | ValueNone -> ended InnerStatus.Stalled

        let v = Array.zeroCreate<float>(r * classes)
        let p = outputs start
        let g = gradient p v
        let size = sqrt (inner g g)
        iterate v start p g size size 0 0

    /// s of (LᵀSL/n + λ)s = Qᵀv, so that u = v/λ + Q(s − Qᵀv/λ) solves (H + λ)u = v, until the residual is at most residualNorm or at the level
    /// of rounding. `logits` is Z where H is taken; `ofV` is Qᵀv, r × N.
    member _.Adjoint(logits: float[], ofV: float[], residualNorm: float) : HeadSystem =
        if logits.Length <> labels.Length || ofV.Length <> r * classes then
            invalidArg (nameof ofV) $"{logits.Length} logits for {labels.Length} labels, {ofV.Length} numbers of Qᵀv for {r * classes}"

        solve (outputs logits) ofV (max residualNorm (floor * sqrt (inner ofV ofV)))
