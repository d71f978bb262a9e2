// What is reported of a task's meta-gradient: numbers on the host, for logs and for the reports of Algorithm 1.

namespace Imaml.Math

/// One task of a meta-gradient, on the host.
type MetaTaskReport =
    {
        /// Whether the task's g may enter the mean of a meta-batch: it is finite, and so was all that it was made of.
        Usable: bool
        /// L(φ)
        OuterLoss: float
        /// L̂(φ)
        InnerLoss: float
        /// ‖g‖
        MetaGradientNorm: float
        /// ‖∇G(φ, θ)‖
        InnerGradientNorm: float
        /// H + Λ was seen not to be positive definite, even where a remedy was used.
        NegativeCurvature: bool
        /// What Λ was multiplied by in the solve; 1 where it was left as it is.
        Raised: float
        Inner: InnerStatistics
        Solve: SolveStatistics
        Cost: WorkCount
        /// The gradient in the numbers that are learned with θ; empty where none is learned.
        Learned: float[]
        /// A certified bound on the relative error of the task's meta-gradient; not a number where the method has none.
        Certified: float
    }
