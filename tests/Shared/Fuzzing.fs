/// Hostile inputs: changes of good ones, all drawn from fixed seeds. 500 for each reader, or as many as IMAML_FUZZ says.
module Imaml.Testing.Fuzzing

open System
open System.Diagnostics
open System.Text
open System.Text.RegularExpressions
open Expecto

let inputs =
    match Environment.GetEnvironmentVariable "IMAML_FUZZ" with
    | null
    | "" -> 500
    | text -> int text

/// Longer than any of these may take on a loaded machine, far below a hang.
let private limit = TimeSpan.FromSeconds 20.0

let private extremes =
    [|
        "1e999"
        "-1"
        "0"
        "2147483648"
        "9223372036854775808"
        "1e-320"
        "null"
        "\"\""
        "[]"
        "{}"
        "true"
        "NaN"
        "\"\\u0000\""
        String.replicate 200 "["
    |]

let private token = Regex @"-?\d+(\.\d+)?|""[^""]*""|true|false|null"

/// A change of the bytes, or where `text` of a word in them.
let private mutate (random: Random) (text: bool) (bytes: byte[]) =
    let piece () =
        let start = random.Next(bytes.Length + 1)
        start, random.Next(0, min 64 (bytes.Length - start) + 1)

    match random.Next(if text then 8 else 5) with
    | 0 ->
        let copy = Array.copy bytes

        for _ in 0 .. random.Next 4 do
            if copy.Length > 0 then
                copy[random.Next copy.Length] <- byte (random.Next 256)

        copy
    | 1 -> Array.truncate (random.Next(bytes.Length + 1)) bytes
    | 2 ->
        let start, count = piece ()
        Array.append bytes[.. start - 1] bytes[start + count ..]
    | 3 ->
        let start, count = piece ()
        Array.concat [ bytes[.. start - 1]; bytes[start .. start + count - 1]; bytes[start..] ]
    | 4 ->
        let start, _ = piece ()
        let noise = Array.init (random.Next 16) (fun _ -> byte (random.Next 256))
        Array.concat [ bytes[.. start - 1]; noise; bytes[start..] ]
    | _ ->
        let all = Encoding.UTF8.GetString bytes
        let tokens = token.Matches all

        if tokens.Count = 0 then
            bytes
        else
            let chosen = tokens[random.Next tokens.Count]
            let instead = extremes[random.Next extremes.Length]
            Encoding.UTF8.GetBytes(all[.. chosen.Index - 1] + instead + all[chosen.Index + chosen.Length ..])

/// Reads so many changes of a good input. `known` says which exceptions are the reader's own.
let survives (text: bool) (good: byte[]) (known: exn -> bool) (read: byte[] -> unit) =
    read good

    for seed in 1..inputs do
        let bytes = mutate (Random seed) text good
        let watch = Stopwatch.StartNew()

        try
            read bytes
        with
        | e when known e -> Expect.isFalse (e.Message.Contains '\n') $"seed {seed}: one line, not {e.Message}"
        | e -> failtest $"seed {seed}: {e.GetType().Name}: {e.Message}"

        Expect.isLessThan watch.Elapsed limit $"seed {seed} took {watch.Elapsed}"
