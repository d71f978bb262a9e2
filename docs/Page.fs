/// What the pages share: the space ℝᵈ, and how a page states what it has found.
module Page

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// ℝᵈ with MathNet's vectors.
let space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

/// At most this many steps of conjugate gradients, without a tolerance.
let budget steps =
    {
        MaxSteps = steps
        RelativeResidual = 0.0
        CheckEvery = 0
        RecomputeResidual = false
    }

/// A number in a table: 1.2e-3.
let short (x: float) = x.ToString "0.0e-0"

/// Prints a statement that holds. One that does not ends the page, and the build with it.
let holds (statement: string) (condition: bool) =
    if condition then
        printfn $"✓ {statement}"
    else
        raise (System.InvalidOperationException $"this page states what does not hold: {statement}")

/// A picture in SVG: series of points (x, y) by name, both axes logarithmic; points that are not positive are omitted.
let chart (xName: string) (yName: string) (series: (string * (float * float) list) list) =
    let width, height, left, top, right, bottom = 680.0, 320.0, 70.0, 30.0, 190.0, 45.0
    let colours = [| "#0b4fa8"; "#c2410c"; "#2a7a2a"; "#7c3aed" |]

    let series =
        series
        |> List.map (fun (name, points) -> name, points |> List.filter (fun (x, y) -> x > 0.0 && y > 0.0))

    let scale select first last =
        let logs =
            [
                for _, points in series do
                    for point in points -> log10 (select point)
            ]

        let low, high = floor (List.min logs + 1e-9), ceil (List.max logs - 1e-9)
        (fun (value: float) -> first + (log10 value - low) / (high - low) * (last - first)), int low, int high

    let x, xLow, xHigh = scale fst left (width - right)
    let y, yLow, yHigh = scale snd (height - bottom) top
    let power (n: int) = if abs n <= 3 then string (10.0 ** float n) else $"1e{n}"
    let ticks low high = [ low .. max 1 ((high - low + 5) / 6) .. high ]

    let lines =
        [
            for n in ticks xLow xHigh do
                let at = x (10.0 ** float n)
                $"<path d='M{at:F1} {top}V{height - bottom}' stroke='#e4e4e4'/><text x='{at:F1}' y='{height - bottom + 18.0}' text-anchor='middle'>{power n}</text>"
            for n in ticks yLow yHigh do
                let at = y (10.0 ** float n)
                $"<path d='M{left} {at:F1}H{width - right}' stroke='#e4e4e4'/><text x='{left - 6.0}' y='{at + 4.0:F1}' text-anchor='end'>{power n}</text>"
            $"<text x='{(left + width - right) / 2.0}' y='{height - 8.0}' text-anchor='middle'>{xName}</text><text x='{left}' y='{top - 12.0}'>{yName}</text>"
            for i, (name, points) in List.indexed series do
                let path = points |> List.map (fun (a, b) -> $"{x a:F1},{y b:F1}") |> String.concat " "
                let label = top + 10.0 + 20.0 * float i
                $"<polyline points='{path}' fill='none' stroke='{colours[i]}' stroke-width='2'/>"

                for a, b in points do
                    $"<circle cx='{x a:F1}' cy='{y b:F1}' r='3' fill='{colours[i]}'/>"

                $"<text x='{width - right + 14.0}' y='{label}' fill='{colours[i]}'>{name}</text>"
        ]

    let body = String.concat "" lines
    $"<svg viewBox='0 0 {width} {height}' width='{width}' role='img' font-family='sans-serif' font-size='13' fill='#333'>{body}</svg>"
