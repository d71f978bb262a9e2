// A general lower level (LowerLevel.fs of the core) on ℝᵈ whose losses have proved constants: the paper's task at every z, the pull-back ∂_z f − Cᵀu, its
// certificate at any x and u, and F(z) with ∇F(z) by dense solves.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// The pull-back at one z, and what is proved of it.
[<NoComparison; NoEquality>]
type KnownPullBack =
    {
        /// x, u, Λu ↦ ∂_z f − Cᵀu
        Gradient: Vector<float> -> Vector<float> -> Vector<float> -> Vector<float>
        /// x, u ↦ its bound there.
        Bound: Vector<float> -> Vector<float> -> PullBackBound
    }

    /// ∂_z f − Cᵀu.
    member pullBack.GradientAt(x, u, lambdaU) = pullBack.Gradient x u lambdaU
    /// What is proved of it.
    member pullBack.BoundAt(x, u) = pullBack.Bound x u

/// A lower level with known losses.
[<NoComparison; NoEquality>]
type KnownLowerLevel =
    {
        /// k, the numbers of z.
        OuterDimension: int
        /// The paper's task at z: L̂, L = f(z, ·), Λ and θ = c. Errors: a z that is outside of the domain.
        Task: Vector<float> -> BilevelTask
        PullBack: Vector<float> -> KnownPullBack
    }

    /// The lower level as the core sees it.
    member level.Certified: ICertifiedLowerLevel<Vector<float>, Vector<float>, float> =
        { new ICertifiedLowerLevel<Vector<float>, Vector<float>, float> with
            member _.At z =
                let task = level.Task z
                let pullBack = level.PullBack z

                {
                    Regularizer = Proximal.regularizer task.Proximal
                    Centre = task.Theta
                    Problem = BilevelTask.problem task
                    PullBack = PullBack(fun x u lambdaU -> pullBack.Gradient x u lambdaU)
                }

            member _.Constants z = [| BilevelTask.losses (level.Task z) |]
            member _.PullBackBounds(z, x, u) = [| (level.PullBack z).Bound x u |]
        }

    /// ∂_z f − Cᵀu at any x and u, however they were computed, and its certificate.
    member level.GradientAt(z: Vector<float>, x: Vector<float>, u: Vector<float>) : struct (Vector<float> * LowerLevelCertificate) =
        let task = level.Task z
        let pullBack = level.PullBack z
        let regularizer = Proximal.regularizer task.Proximal

        let lower =
            Certificate.OfSolution(EuclideanSpace(), regularizer, BilevelTask.problem task, [| BilevelTask.losses task |], task.Theta, x, u)

        struct (pullBack.Gradient x u (regularizer.Apply(EuclideanSpace(), u)), LowerLevelCertificate.Of(lower[0], pullBack.Bound x u))

    /// ∇F(z) by dense solves, and its certificate.
    member level.ExactGradient(z: Vector<float>) : struct (Vector<float> * LowerLevelCertificate) =
        let task = level.Task z
        let x = BilevelTask.exactSolution task task.Theta
        level.GradientAt(z, x, BilevelTask.adjoint task x)

    /// F(z) = f(z, x*(z))
    member level.Value(z: Vector<float>) : float =
        let task = level.Task z
        task.Outer.Value(BilevelTask.exactSolution task task.Theta)
