/// What the episode tests share.
module Imaml.Nets.Tests.EpisodesFixtures

open Expecto
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.DataFixtures

let glyphs = lazy Glyphs.Create(60, 20, 1UL)

let sampler rotations ways shots queries seed = EpisodeSampler(glyphs.Value, classNames glyphs.Value, rotations, ways, shots, queries, seed)

let content (one: Episode) =
    one.Number, List.ofSeq one.Classes, List.ofSeq one.QuarterTurns, List.ofSeq one.SupportImages, List.ofSeq one.QueryImages

/// |count − n·p| ≤ 6·√(n·p·(1−p)): a normal deviate exceeds 6 with probability 2e-9, so over some hundred counts a fair sampler never fails.
let expectShare (n: int) (p: float) (count: int) (what: string) =
    let bound = 6.0 * sqrt (float n * p * (1.0 - p))
    Expect.isLessThanOrEqual (abs (float count - float n * p)) bound $"{what}: {count} of {n}, expected {float n * p}"
