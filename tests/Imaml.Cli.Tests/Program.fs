module Imaml.Cli.Tests.Program

open System
open System.IO
open System.Runtime.CompilerServices
open Imaml.Cli
open Imaml.Testing

/// What commands print that run within the tests is no part of the tests' own output.
let private silenceCommands () =
    let output, errors = Console.Out, Console.Error
    Console.SetOut TextWriter.Null
    Console.SetError TextWriter.Null
    RuntimeHelpers.RunClassConstructor typeof<Terminal>.TypeHandle
    Console.SetOut output
    Console.SetError errors

[<EntryPoint>]
let main arguments =
    silenceCommands ()
    Suite.run arguments
