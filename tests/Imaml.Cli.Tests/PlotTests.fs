/// Figures: the same content as pixels and as lines, readable in grey, on any machine.
module Imaml.Cli.Tests.PlotTests

open System
open System.Text
open System.Xml.Linq
open Expecto
open FsUnit
open ScottPlot
open SkiaSharp
open Imaml.Cli.Plots
open Imaml.Cli.Results

let private curve label style (y: float list) = PlotCurve(label, style, [| for i in 1 .. y.Length -> float i |], List.toArray y)

let private panel (legend: LegendPlace) curves =
    PlotPanel("a title", PlotAxis("steps n", Scale.Logarithmic), PlotAxis("error ‖g‖", Scale.Logarithmic), Seq.toArray curves, legend)

let private texts (svg: byte[]) =
    let document = XDocument.Parse(Encoding.UTF8.GetString svg)

    [
        for element in document.Descendants() do
            if element.Name.LocalName = "text" then
                element.Value.Trim()
    ]

let private ticks (low: float) (high: float) =
    let generator = DecadeTicks()
    generator.Regenerate(CoordinateRange(low, high), Edge.Left, PixelLength 400f, Unchecked.defaultof<_>, Unchecked.defaultof<_>)
    generator.Ticks

[<Tests>]
let tests =
    testList
        "Plots"
        [
            testCase
                "titles of figure and axes, and the legend's names, stand in the picture, with the font that the program carries"
                (fun () ->
                    let svg =
                        Figure.Svg
                            [|
                                panel LegendPlace.Right [ curve "first" 0 [ 1.0; 0.1; 0.01 ]; curve "second" 1 [ 1.0; 0.5; 0.2 ] ]
                            |]

                    let shown = texts svg

                    for text in [ "a title"; "steps n"; "error ‖g‖"; "first"; "second"; "10⁻¹" ] do
                        Expect.contains shown text "the picture's texts"

                    let document = XDocument.Parse(Encoding.UTF8.GetString svg)

                    for element in document.Descendants() do
                        match element.Attribute(XName.Get "font-family") with
                        | null -> ()
                        | family -> Expect.stringStarts family.Value PlotFont.Name "a font")

            testCase "pixels and lines show the same figure, in the same proportions" (fun () ->
                let panels =
                    [|
                        panel LegendPlace.Below [ curve "first" 0 [ 1.0; 0.1 ] ]
                        panel LegendPlace.None [ curve "" 1 [ 2.0; 0.1 ] ]
                    |]

                use image = SKBitmap.Decode(Figure.Png panels)

                let root =
                    XDocument.Parse(Encoding.UTF8.GetString(Figure.Svg panels)).Root |> Option.ofObj |> Option.get

                let size name = root.Attribute(XName.Get name) |> Option.ofObj |> Option.get |> fun a -> Int32.Parse a.Value

                (float image.Width / float (size "width"))
                |> should equal (float image.Height / float (size "height")))

            testCase "a second panel leaves the first where it is" (fun () ->
                let first = panel LegendPlace.None [ curve "" 0 [ 1.0; 0.1 ] ]
                use alone = SKBitmap.Decode(Figure.Png [| first |])
                use both = SKBitmap.Decode(Figure.Png [| first; panel LegendPlace.None [ curve "" 1 [ 3.0; 0.1 ] ] |])

                let different =
                    seq {
                        for x in 0 .. alone.Width - 1 do
                            for y in 0 .. alone.Height - 1 do
                                if alone.GetPixel(x, y) <> both.GetPixel(x, y) then
                                    x, y
                    }

                different |> should be Empty)

            testCase "styles differ in dashes and markers, so that they are told apart without colour" (fun () ->
                let looks =
                    [
                        for i in 0 .. PlotStyle.Count - 1 ->
                            let style = PlotStyle.Of i
                            (style.Dashes |> Option.ofObj |> Option.map Array.toList), style.Shape
                    ]

                looks |> List.distinct |> should equal looks)

            testCase "a point without a place on a logarithmic axis is a gap, not a fault" (fun () ->
                let png third =
                    Figure.Png
                        [|
                            panel
                                LegendPlace.Right
                                [
                                    curve "gaps" 0 [ 1.0; 0.5; third; 0.1; 0.01 ]
                                    curve "nowhere" 1 [ 0.0; nan ]
                                ]
                        |]

                for without in [ 0.0; -1.0; infinity ] do
                    png without |> should equal (png nan)

                png 0.2 |> should not' (equal (png nan)))

            testCase "decades have their labels, powers of ten; a wide range is thinned, a narrow one gets 2 and 5" (fun () ->
                let labels low high =
                    [
                        for tick in ticks low high do
                            if tick.IsMajor then
                                tick.Label
                    ]

                labels -2.5 1.2 |> should equal [ "10⁻²"; "10⁻¹"; "10⁰"; "10¹" ]
                labels 0.0 1.0 |> should equal [ "10⁰"; "2·10⁰"; "5·10⁰"; "10¹" ]
                (labels -40.0 0.0).Length |> should be (lessThanOrEqualTo 10)
                labels -15.0 1.0 |> should contain "10⁻¹²")

            testCase "Csv / numbers have a decimal point and six digits, and what is not a number is an empty cell" (fun () ->
                let row (cells: obj list) = cells |> List.toArray

                Csv.Of([| "a"; "b"; "c" |], [ row [ 1; 0.123456789; nan ]; row [ "word"; 1e-20; 1e5 ] ])
                |> should equal "a,b,c\n1,0.123457,\nword,1E-20,100000\n")
        ]
