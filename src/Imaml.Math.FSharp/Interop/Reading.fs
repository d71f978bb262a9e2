// What the solvers' reports say, as extension methods: numbers for each task on the host, and statuses in words.

namespace Imaml.Math.Interop

open System.Runtime.CompilerServices
open Imaml.Math

/// Reading a report waits for the device, if there is one.
[<AbstractClass; Sealed; Extension>]
type Reading =


    /// The likely causes of a status, and what helps, in words.
    [<Extension>]
    static member Describe(status: CertifiedStatus) = CertifiedStatus.describe status
