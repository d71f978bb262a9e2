// Jacobi's preconditioner where the diagonal of H is not to be had by d products: estimated from a few probes z of random signs
// (Hutchinson 1990; Bekas, Kokiopoulou and Saad 2007),
//
//     D = mean of z∘Hz,   E D = diag H,   M = |D| + diag Λ
//
// M is positive definite whatever the estimate is worth, and a product costs as much as a step of conjugate gradients: it pays where many
// steps are made at a φ, or curvature differs much between layers.

namespace Imaml.Math

open System

/// Conjugate gradients on (H + Λ)u = v preconditioned by |D| + diag Λ, for Λ diagonal.
///
/// `probe` makes a vector of entries ±1 of the kind of v, another at each call. Cost: conjugate gradients', `probes` products more, which are
/// in the report, and three vectors. Errors: fewer probes than 1.
type EstimatedDiagonalSolver<'V, 'S>(coordinates: ICoordinates<'V>, options: LinearSolveOptions, probes: int, probe: Func<'V, 'V>) =
    do
        LinearSolver.check options

        if probes < 1 then
            invalidArg (nameof probes) $"the number of probes must be at least 1, not {probes}"

    // Below every entry of D that counts; the quotient D²/(√D² + tiny) is |D|, and 0 for D = 0.
    let tiny = 1e-30

    interface IImplicitSolver<'V, 'S> with
        member _.Solve(space, regularizer, linearization, v, residualNorm) =
            let estimate () =
                let mutable sum = space.Zero v

                for _ in 1..probes do
                    use region = space.OpenRegion()
                    region.AdoptVector sum |> ignore
                    let z = probe.Invoke v
                    sum <- region.KeepVector(space.Axpy(space.Scalar 1.0, coordinates.Product(z, linearization.HessianProduct z), sum))

                let mean = space.Scale(space.Scalar(1.0 / float probes), sum)
                let square = coordinates.Product(mean, mean)
                let size = coordinates.DivideByRoot(square, square, tiny)
                let z = probe.Invoke v
                let ones = coordinates.Product(z, z)
                space.Axpy(space.Scalar 1.0, size, regularizer.Apply(space, ones))

            Region.run space (fun () ->
                let diagonal = estimate ()
                let inverse = LinearOperator.ofFunction (fun w -> coordinates.Quotient(w, diagonal))
                let solver: ILinearSolver<'V, 'S> = PreconditionedConjugateGradientSolver(options, inverse)

                let report =
                    solver.Solve(space, ImplicitSolve.operator space regularizer linearization, v, residualNorm)

                { report with
                    Products = space.Add(report.Products, space.Scalar(float probes))
                }
                |> ImplicitSolve.ofReport space regularizer)
