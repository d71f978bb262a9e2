/// A small meta-learner and where its episodes come from.
module Imaml.Nets.Tests.MetaLearnerFixtures

open System
open Imaml.Nets.Tasks
open Imaml.Nets.Models
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Runs
open Imaml.Nets.Tests.DataFixtures

let optionsOn dataset split algorithm seed threads : TrainingOptions =
    TrainingOptions(
        Dataset = dataset,
        Split = split,
        ValidationClasses = 0,
        Ways = 3,
        Shots = 1,
        Queries = 2,
        Algorithm = algorithm,
        MetaSteps = 200,
        MetaBatch = 3,
        Lambda = 2.0,
        InnerSteps = 3,
        InnerStepSize = Nullable(),
        CgSteps = 2,
        OuterRate = 1e-2,
        OuterSchedule = OuterSchedule.Constant,
        Filters = 2,
        Seed = seed,
        Threads = threads
    )

let optionsWith algorithm seed threads = optionsOn "patterned" "none" algorithm seed threads

let optionsOf algorithm seed = optionsWith algorithm seed 1

let options seed = optionsOf Algorithm.ImamlGd seed

/// 3-way 1-shot on 6 × 6 images.
let sampler =
    lazy EpisodeSampler(patterned 6 1 8 5, classNames (patterned 6 1 8 5), RotationMode.None, 3, 1, 2, 1UL)

let network () = ConvolutionalNetworks.Strided(ImageShape(6, 6, 1), 2, 3)

let learner seed = MetaLearner.Create(options seed, network ())

/// The meta-batch of a step: episodes 3i, 3i + 1, 3i + 2.
let batch (step: int) = sampler.Value.Batch(int64 (3 * step), 3)
