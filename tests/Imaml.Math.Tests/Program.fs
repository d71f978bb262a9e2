module Imaml.Math.Tests.Program

open Imaml.Testing

[<EntryPoint>]
let main arguments = Suite.run arguments
