// What the solvers' reports say, as extension methods: numbers for each task on the host, and statuses in words.

namespace Imaml.Math.Interop

open System.Runtime.CompilerServices
open Imaml.Math

/// Reading a report waits for the device, if there is one.
[<AbstractClass; Sealed; Extension>]
type Reading =

    /// How the linear solve of every task ended.
    [<Extension>]
    static member Read(report: LinearSolveReport<'V, 'S>, space: IInnerProductSpace<'V, 'S>) : SolveStatistics[] =
        LinearSolver.read space report

    /// What the meta-gradient of every task cost, in Table 1's units.
    [<Extension>]
    static member Cost(result: MetaGradient<'V, 'S>, space: IInnerProductSpace<'V, 'S>) : WorkCount[] = MetaGradient.cost space result

    /// The likely causes of a status, and what helps, in words.
    [<Extension>]
    static member Describe(status: SolveStatus) = SolveStatus.describe status

    /// The likely causes of a status, and what helps, in words.
    [<Extension>]
    static member Describe(status: CertifiedStatus) = CertifiedStatus.describe status
