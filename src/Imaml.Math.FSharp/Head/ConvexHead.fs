// A linear head on given features as a bilevel problem in W, and its gradient in the features: the formulas of a network whose last layer alone
// is adapted.
//
//     L̂(W) = (1/n) Σ ℓ(Wᵀxᵢ, yᵢ)         xᵢ the rows of X, n × p       ℓ cross-entropy, or squares
//     L(W)  = (1/m) Σ −log softmax(Wᵀxⱼ)_yⱼ   xⱼ the rows of X_q, m × p
//
// With Λ = λI and the centre W₀ it is the paper's problem, so ∇F in W₀ is λu, (H + λ)u = ∇L(W). The features are outer variables too, and there
// ∇F = ∂_z f − Cᵀu, C the derivative of ∇g(W) = XᵀE + λ(W − W₀) in z. As ⟨u, XᵀE⟩ = Σᵢ ⟨uᵀxᵢ, eᵢ⟩ and eᵢ moves by Sᵢ Wᵀẋᵢ/n,
//
//     in X:  −(E uᵀ + T Wᵀ),  T = S(Xu)/n         in X_q:  R Wᵀ,  E = ∂ℓ/∂Z/n,  R = (softmax(X_qW) − Y_q)/m
//
// A bias is a constant feature, of which the gradient is not used. W as a vector is p × N, row by row.

namespace Imaml.Math

open System
open MathNet.Numerics.LinearAlgebra
open MathNet.Numerics.LinearAlgebra.Factorization

/// A loss of n examples' logits Z, n × N, against labels Y, unit vectors as rows: its value, gradient and curvature.
[<Sealed>]
type internal HeadOutputs(loss: HeadLoss, z: Matrix<float>, labels: Matrix<float>) =
    let share = 1.0 / float z.RowCount

    let probabilities =
        match loss with
        | HeadLoss.CrossEntropy ->
            let p = z.Clone()

            for i in 0 .. z.RowCount - 1 do
                let row = z.Row i
                let shifted = (row - row.Maximum()).PointwiseExp()
                p.SetRow(i, shifted / shifted.Sum())

            p
        | _ -> z

    /// (1/n) Σ ℓ
    member _.Loss =
        match loss with
        | HeadLoss.CrossEntropy ->
            // log Σ exp z − z_y, with the largest z taken out.
            let ofRow i =
                let row = z.Row i
                let largest = row.Maximum()
                largest + log ((row - largest).PointwiseExp().Sum()) - row * labels.Row i

            share * Array.sumBy ofRow [| 0 .. z.RowCount - 1 |]
        | _ ->
            let distance = (z - labels).FrobeniusNorm()
            0.5 * share * distance * distance

    /// E = ∂ℓ/∂Z/n
    member _.Gradient = share * (probabilities - labels)

    /// For every example a bound on the largest eigenvalue of S: 2 max p(1 − p) ≤ ½ (Gershgorin's discs of diag(p) − ppᵀ); 1 of squares.
    member _.Curvatures =
        match loss with
        | HeadLoss.CrossEntropy ->
            Vector<float>.Build.Dense(z.RowCount, fun i -> (2.0 * ((probabilities.Row i).Map(fun p -> p * (1.0 - p))).Maximum()))
        | _ -> Vector<float>.Build.Dense(z.RowCount, 1.0)

    /// S t/n, row by row (diag(p) − ppᵀ)t/n.
    member _.Curvature(t: Matrix<float>) =
        match loss with
        | HeadLoss.CrossEntropy ->
            let weighted = probabilities.PointwiseMultiply t
            let means = weighted.RowSums()

            share
            * (weighted - Matrix.Build.Dense(t.RowCount, t.ColumnCount, fun i c -> means[i] * probabilities[i, c]))
        | _ -> share * t

/// The gradient of F in the features of one task.
type FeatureGradient =
    {
        /// In X, n × p.
        Support: Matrix<float>
        /// In X_q, m × p.
        Query: Matrix<float>
    }

/// One task's head on features X and X_q. Errors: sizes that do not fit.
[<Sealed>]
type ConvexHead(loss: HeadLoss, support: Matrix<float>, labels: Matrix<float>, query: Matrix<float>, queryLabels: Matrix<float>) =
    do
        ArgumentNullException.ThrowIfNull(support, nameof support)
        ArgumentNullException.ThrowIfNull(labels, nameof labels)
        ArgumentNullException.ThrowIfNull(query, nameof query)
        ArgumentNullException.ThrowIfNull(queryLabels, nameof queryLabels)

    let features = support.ColumnCount
    let classes = labels.ColumnCount

    do
        if
            support.RowCount <> labels.RowCount
            || query.RowCount <> queryLabels.RowCount
            || query.ColumnCount <> features
            || queryLabels.ColumnCount <> classes
        then
            invalidArg (nameof support) "X is n × p and Y n × N, X_q m × p and Y_q m × N"

    let matrix (w: Vector<float>) = Matrix<float>.Build.DenseOfRowMajor(features, classes, w)
    let ofRows rows (numbers: float[]) = Matrix<float>.Build.DenseOfRowMajor(rows, classes, numbers)

    /// X = LQᵀ; with as many examples as features or more, Q = I.
    let reduced =
        lazy
            (if support.RowCount < features then
                 let qr = support.Transpose().QR(QRMethod.Thin)
                 struct (qr.R.Transpose(), qr.Q)
             else
                 struct (support, Matrix<float>.Build.DenseIdentity features))

    let vector (w: Matrix<float>) = Vector<float>.Build.Dense(w.ToRowMajorArray())
    let inner (w: Vector<float>) = HeadOutputs(loss, support * matrix w, labels)
    let outer (w: Vector<float>) = HeadOutputs(HeadLoss.CrossEntropy, query * matrix w, queryLabels)

    /// X, n × p.
    member _.Support = support
    /// Y, n × N.
    member _.Labels = labels
    /// X_q, m × p.
    member _.Query = query
    /// Y_q, m × N.
    member _.QueryLabels = queryLabels
    /// ℓ
    member _.Loss = loss

    /// ∂_z f − Cᵀu in the features, at W and u; the meta-gradient there where W = W* and (H + λ)u = ∇L(W).
    /// Cost: five products of matrices with X, X_q, W or u.
    member _.FeatureGradient(w: Vector<float>, u: Vector<float>) : FeatureGradient =
        let head = inner w
        let tangent = head.Curvature(support * matrix u)

        {
            Support = -(head.Gradient.TransposeAndMultiply(matrix u) + tangent.TransposeAndMultiply(matrix w))
            Query = (outer w).Gradient.TransposeAndMultiply(matrix w)
        }

    /// What the certificate of W and u is made of, for λ and W₀, where the gradient in the first `used` features is used: one less than there are where the last is the
    /// constant of a bias. Cost: a linearization, a product, an outer gradient and a FeatureGradient.
    member head.Measure(lambda: float, centre: Vector<float>, w: Vector<float>, u: Vector<float>, used: int) : HeadNorms =
        let inner, outer = inner w, outer w
        let gradient = vector (support.TransposeThisAndMultiply inner.Gradient) + lambda * (w - centre)
        let v = vector (query.TransposeThisAndMultiply outer.Gradient)

        let product =
            vector (support.TransposeThisAndMultiply(inner.Curvature(support * matrix u))) + lambda * u

        let inFeatures = head.FeatureGradient(w, u)
        let rows, ofQueries = support.RowNorms 2.0, query.RowNorms 2.0
        let length (gradient: Matrix<float>) = gradient.SubMatrix(0, gradient.RowCount, 0, used).FrobeniusNorm()
        let both = length inFeatures.Support ** 2.0 + length inFeatures.Query ** 2.0

        {
            Loss = loss
            Lambda = lambda
            Examples = support.RowCount
            Queries = query.RowCount
            Features = features
            Classes = classes
            Support = rows.L2Norm()
            LargestSupport = rows.Maximum()
            SupportSlopes = (inner.Curvatures.PointwiseMultiply rows).L2Norm()
            SupportCurvature = inner.Curvatures * rows.PointwisePower 2.0
            Query = ofQueries.L2Norm()
            LargestQuery = ofQueries.Maximum()
            QuerySlopes = (outer.Curvatures.PointwiseMultiply ofQueries).L2Norm()
            QueryCurvature = outer.Curvatures * ofQueries.PointwisePower 2.0
            Weights = w.L2Norm()
            Centre = centre.L2Norm()
            Solution = u.L2Norm()
            InnerGradient = gradient.L2Norm()
            OuterGradient = v.L2Norm()
            Residual = (v - product).L2Norm()
            SupportLogits = (inner.Gradient.RowNorms 2.0).L2Norm()
            QueryLogits = (outer.Gradient.RowNorms 2.0).L2Norm()
            FeatureGradient = sqrt both
        }

    /// The same where the gradient in all features is used.
    member head.Measure(lambda: float, centre: Vector<float>, w: Vector<float>, u: Vector<float>) : HeadNorms =
        head.Measure(lambda, centre, w, u, features)

    /// W* for the centre W₀ and λ, in the span of the examples (ExampleSpace), and how it was found.
    member _.Solve(lambda: float, centre: Vector<float>, gradientNorm: float, maxSteps: int) : struct (Vector<float> * HeadSolution) =
        let struct (factor, basis) = reduced.Value
        let space = ExampleSpace(loss, factor.ToRowMajorArray(), labels.ToRowMajorArray(), classes, lambda)
        let solution = space.Minimise((support * matrix centre).ToRowMajorArray(), gradientNorm, maxSteps)
        struct (centre + vector (basis * ofRows factor.ColumnCount solution.Weights), solution)

    /// u of (H + λ)u = ∇L(W), likewise.
    member _.Adjoint(lambda: float, w: Vector<float>, residualNorm: float) : struct (Vector<float> * HeadSystem) =
        let struct (factor, basis) = reduced.Value
        let space = ExampleSpace(loss, factor.ToRowMajorArray(), labels.ToRowMajorArray(), classes, lambda)
        let v = query.TransposeThisAndMultiply (outer w).Gradient
        let inSpan = basis.TransposeThisAndMultiply v

        let system =
            space.Adjoint((support * matrix w).ToRowMajorArray(), inSpan.ToRowMajorArray(), residualNorm)

        let s = ofRows factor.ColumnCount system.Solution
        struct (vector (v / lambda + basis * (s - inSpan / lambda)), system)

    interface IBilevelProblem<Vector<float>, float> with
        member _.InnerLoss w = (inner w).Loss
        member _.InnerGradient w = vector (support.TransposeThisAndMultiply (inner w).Gradient)

        member _.LinearizeInner w =
            let head = inner w
            let loss = head.Loss
            let gradient = vector (support.TransposeThisAndMultiply head.Gradient)

            { new ILinearization<Vector<float>, float> with
                member _.Loss = loss
                member _.Gradient = gradient
                member _.HessianProduct u = vector (support.TransposeThisAndMultiply(head.Curvature(support * matrix u)))
                member _.Dispose() = ()
            }

        member _.OuterLossAndGradient w =
            let head = outer w
            struct (head.Loss, vector (query.TransposeThisAndMultiply head.Gradient))
