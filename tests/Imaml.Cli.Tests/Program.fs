module Imaml.Cli.Tests.Program

open System
open Imaml.Testing

[<EntryPoint>]
let main arguments =
    Imaml.prepare ()

    inFolder (fun cache ->
        // What commands keep: caches of the user who runs the tests are neither used nor filled.
        Environment.SetEnvironmentVariable("XDG_CACHE_HOME", cache)
        Suite.run arguments)
