/// Figures: the same content as pixels and as lines, readable in grey, on any machine.
module Imaml.Cli.Tests.PlotTests

open System
open System.IO
open System.Text
open System.Xml.Linq
open Expecto
open FsUnit
open ScottPlot
open SkiaSharp
open Imaml.Testing
open Imaml.Theory
open Imaml.Cli.Benchmarks
open Imaml.Cli.Plots
open Imaml.Cli.Results
open Imaml.Cli.Tests

let private looks = Seq.toArray PlotStyle.Methods.Values

let private curve label look (y: float list) = PlotCurve(label, looks[look], [| for i in 1 .. y.Length -> float i |], List.toArray y)

let private panel legend curves =
    PlotPanel("a title", PlotAxis("steps", Scale.Logarithmic), PlotAxis("error $‖g_1‖$", Scale.Logarithmic), Seq.toArray curves, legend)

/// The panels of Figure 2(a) on so many problems, of Figure 2(b) without measurements, and of Table 1.
let private figure2a problems =
    let points = Figure2a.problemSeeds 1 problems |> Seq.mapi Figure2a.problem |> Seq.concat |> Seq.toArray

    [
        for struct (_, panels) in Figure2aPlots(points).All() do
            yield! panels
    ]

let private figure2b () =
    let methods = [| "imaml-gd"; "maml"; "maml-recompute"; "fomaml" |]
    let options = Figure2bOptions("20w5s", methods, [| 1; 2 |], 2, 3, 64, 2, 8192L)

    [
        yield!
            Figure2bPlots(
                options,
                [|
                    for m in methods do
                        for steps in [ 1; 2 ] -> Figure2bPoint(m, steps, null)
                |]
            )
                .Panels()
    ]

let private table1 () =
    let slope: FittedSlope =
        {
            Slope = -0.001
            Intercept = 0.0
            Low = 0.0
            High = 0.0
            LargestResidual = 0.0
            Points = 3
        }

    let methods = Enum.GetValues<Table1Method>()

    let rows: Table1Row[] =
        [|
            for m in methods ->
                {
                    Method = m
                    Name = ""
                    Compute = ""
                    Memory = ""
                    Error = ""
                    ComputeExponent = 1.0
                    MemoryExponent = 1.0
                    ComputeSlope = slope
                    VectorsPerStep = slope
                    MemorySlope = slope
                    ComputePerLog = slope
                    ErrorKind = ""
                    LargestError = 0.0
                    LargestErrorShare = 0.0
                }
        |]

    let points: Table1Point[] =
        [|
            for m in methods do
                for condition in [ 10.0; 100.0; 1000.0 ] ->
                    {
                        Method = m
                        Seed = 1
                        Condition = condition
                        Accuracy = 0.01
                        Steps = 1
                        KeptSteps = 1
                        LinearSteps = 1
                        Gradients = int condition
                        HessianProducts = 1
                        Vectors = int condition
                        InnerError = 0.0
                        Error = 0.0
                        ExactSolveError = 0.0
                        ErrorBound = 0.0
                    }
        |]

    List.ofSeq (Table1Plots.Panels(0.01, rows, points))

let private labels (panels: PlotPanel list) =
    [
        for panel in panels do
            panel.Title
            panel.X.Title
            panel.Y.Title

            for curve in panel.Curves do
                curve.Label
    ]

let private named (figure: string) = [ $"{figure}.pdf"; $"{figure}.png"; $"{figure}.svg" ]

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

let private tickLabels low high =
    [
        for tick in ticks low high do
            if tick.IsMajor then
                tick.Label
    ]

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
                                panel true [ curve "first" 0 [ 1.0; 0.1; 0.01 ]; curve "second" 1 [ 1.0; 0.5; 0.2 ] ]
                            |]

                    let shown = texts svg

                    for text in [ "a title"; "steps"; "error"; "‖"; "g"; "1"; "first"; "second"; "10⁻¹" ] do
                        Expect.contains shown text "the picture's texts"

                    let document = XDocument.Parse(Encoding.UTF8.GetString svg)

                    for element in document.Descendants() do
                        match element.Attribute(XName.Get "font-family") with
                        | null -> ()
                        | family -> Expect.stringStarts family.Value PlotFont.Name "a font")

            testCase "pixels and lines show the same figure, in the same proportions" (fun () ->
                let panels =
                    [|
                        panel true [ curve "first" 0 [ 1.0; 0.1 ] ]
                        panel false [ curve "" 1 [ 2.0; 0.1 ] ]
                    |]

                use image = SKBitmap.Decode(Figure.Png panels)

                let root =
                    XDocument.Parse(Encoding.UTF8.GetString(Figure.Svg panels)).Root |> Option.ofObj |> Option.get

                let size name = root.Attribute(XName.Get name) |> Option.ofObj |> Option.get |> fun a -> Int32.Parse a.Value

                (float image.Width / float (size "width"))
                |> should equal (float image.Height / float (size "height")))

            testCase "a second panel leaves the first where it is" (fun () ->
                let first = panel false [ curve "" 0 [ 1.0; 0.1 ] ]
                use alone = SKBitmap.Decode(Figure.Png [| first |])
                use both = SKBitmap.Decode(Figure.Png [| first; panel false [ curve "" 1 [ 3.0; 0.1 ] ] |])

                let different =
                    seq {
                        for x in 0 .. alone.Width - 1 do
                            for y in 0 .. alone.Height - 1 do
                                if alone.GetPixel(x, y) <> both.GetPixel(x, y) then
                                    x, y
                    }

                different |> should be Empty)

            testCase
                "looks of methods differ in dashes or markers, so that they are told apart without colour; colours are Okabe and Ito's"
                (fun () ->
                    let shapes =
                        [
                            for look in looks -> (look.Dashes |> Option.ofObj |> Option.map Array.toList), look.Shape
                        ]

                    shapes |> List.distinct |> should equal shapes

                    for look in looks do
                        [ "#000000"; "#E69F00"; "#56B4E9"; "#009E73"; "#0072B2"; "#D55E00"; "#CC79A7" ]
                        |> should contain (look.Color.ToHex()))

            testCase "every method of the program has a look, and a method has one look in all figures" (fun () ->
                for m in BenchMethod.All do
                    PlotStyle.Methods.ContainsKey m.Name |> should equal true

                // By the name before the exponent of κ; iMAML has 5 CG steps where nothing else is said.
                let name (label: string) =
                    match (label.Split ':')[0] with
                    | "iMAML, gradient descent" -> "iMAML, 5 CG steps"
                    | "iMAML, Nesterov" -> "iMAML, 5 CG, Nesterov"
                    | "truncated" -> "truncated, last half"
                    | other -> other

                let drawn =
                    [
                        for panel in figure2a 2 @ figure2b () @ table1 () do
                            for curve in panel.Curves -> name curve.Label, curve.Style
                    ]

                for name, styles in drawn |> List.groupBy fst do
                    styles |> List.map snd |> List.distinct |> List.length |> should equal 1

                for name in [ "MAML"; "MAML, Nesterov"; "iMAML, 5 CG steps" ] do
                    drawn |> List.filter (fun (other, _) -> other = name) |> List.length |> should be (greaterThan 3))

            testCase "a figure of one problem does not call it a median, and has no band; of two it does" (fun () ->
                labels (figure2a 1) |> List.filter (fun text -> text.Contains "median") |> should be Empty
                labels (figure2a 1) |> should contain "Exact-solve error: one problem"

                for panel in figure2a 1 do
                    for curve in panel.Curves do
                        curve.Band.HasValue |> should equal false

                labels (figure2a 2) |> should contain "Exact-solve error: median of 2 problems, 10–90 %")

            testCase "labels are typeset: no notation is left in them, the font has their characters, and they fit the panel" (fun () ->
                let panels = figure2a 2 @ figure2b () @ table1 ()

                for text in labels panels do
                    let plain = PlotText(text, Figure.Text)
                    Expect.isFalse (plain.Plain |> Seq.exists (fun letter -> "$_^{}".Contains letter)) text
                    Expect.isFalse (plain.Plain.Contains "d_θL(" || plain.Plain.Contains "Alg") text
                    Expect.isTrue plain.IsComplete text

                for panel in panels do
                    for text, room in [ panel.Title, 350f; panel.X.Title, 350f; panel.Y.Title, 270f ] do
                        Expect.isLessThan (PlotText(text, Figure.Text).Width) room text)

            testCase "formulas / letters are oblique, scripts small, and what stands outside the dollar signs is as it is" (fun () ->
                PlotText("error_1 $‖g^∗ − F_{n+1}‖$", 10f).Plain |> should equal "error_1 ‖g∗ − Fn+1‖"
                PlotText("$x^2$", 10f).Width |> should be (lessThan (PlotText("$x2$", 10f).Width))

                let svg = Figure.Svg [| panel false [ curve "" 0 [ 1.0; 0.1 ] ] |]
                let document = XDocument.Parse(Encoding.UTF8.GetString svg)

                let slanted =
                    [
                        for element in document.Descendants() do
                            if not (isNull (element.Attribute(XName.Get "font-style"))) then
                                element.Value.Trim()
                    ]

                slanted |> should equal [ "g" ])

            testCase "a picture's text has the program's font where that has the characters, and says where no font has them" (fun () ->
                let parts (text: string) =
                    PlotFont.OfPicture(text, 10f)
                    |> Seq.map (fun (struct (part, font)) ->
                        use font = font
                        part, font.Typeface.FamilyName)
                    |> Seq.toList

                for text in [ "Äpfel naïve ∇θ"; "e\u0301 ok"; " " ] do
                    parts text |> should equal [ text, PlotFont.Name ]
                    PlotFont.CanDraw text |> should equal true

                parts "" |> should be Empty
                // Private use: fonts of ordinary machines have none of these. 红 is of another font where there is one.
                let strange = "\U000F1234"
                PlotFont.CanDraw $"x{strange}" |> should equal false

                for text in [ $"x{strange}y"; "1红2"; "x\u200d\ufe0f红\ufe0f"; "\ufe0f" ] do
                    let parts = parts text
                    parts |> List.map fst |> String.concat "" |> should equal text
                    parts |> List.pairwise |> List.exists (fun ((_, a), (_, b)) -> a = b) |> should equal false)

            testCase "no legend lies over a curve or its whiskers" (fun () ->
                for panel in figure2a 3 @ table1 () do
                    use drawing = new PanelDrawing(panel)
                    let legend = drawing.Legend
                    drawing.Ink() |> Seq.filter legend.Contains |> should be Empty)

            testCase "from a given lower end on, no point lies on the frame, however near to each other the points are" (fun () ->
                let fromZero title = PlotAxis(title, Scale.Linear, Nullable 0.0)

                for y in [ [ 6.65; 6.66 ]; [ 6.65; 6.65 ]; [ 6.65 ]; [ 1.0; 100.0 ]; [ 0.14; 0.098 ] ] do
                    use drawing = new PanelDrawing(PlotPanel("", fromZero "x", fromZero "y", [| curve "one" 0 y |], false))

                    for point in drawing.Ink() do
                        // The frame is from 30 down to 254 and right to 386; a marker has a radius of less than 5.
                        Expect.isTrue (point.Y > 35f && point.Y < 254f && point.X < 381f) $"{point} of {y}")

            testCase "where the axes have no empty place, the legend stands beside them" (fun () ->
                let everywhere = [ for i in 1..200 -> if i % 2 = 0 then 1.0 else 1e-6 ]
                let curves = [ for i in 1..16 -> curve $"to and fro {i}" 0 everywhere ]
                use drawing = new PanelDrawing(panel true curves)
                use without = new PanelDrawing(panel false curves)
                drawing.Size.Width |> should be (greaterThan without.Size.Width)
                drawing.Legend.Left |> should be (greaterThanOrEqualTo without.Size.Width))

            testCase "an SVG can be scaled: what it shows is its size" (fun () ->
                let svg =
                    Figure.Svg
                        [|
                            panel true [ curve "one" 0 [ 1.0; 0.1 ] ]
                            panel true [ curve "two" 1 [ 1.0; 0.1 ] ]
                        |]

                let root = XDocument.Parse(Encoding.UTF8.GetString svg).Root |> nonNull
                let value (name: string) = (root.Attribute(XName.Get name) |> nonNull).Value
                value "viewBox" |> should equal $"""0 0 {value "width"} {value "height"}""")

            testCase "a PDF has its fonts and no raster image, and is the same every time" (fun () ->
                // One panel with whiskers, one with an area.
                let panels = figure2a 2 |> List.take 2 |> List.toArray
                let pdf = Figure.Pdf panels
                let text = Encoding.Latin1.GetString pdf
                Expect.stringStarts text "%PDF-" "the file"
                text.Contains "/FontFile2" |> should equal true
                text.Contains "/Subtype /Image" |> should equal false
                text.Contains "/CreationDate" |> should equal false
                Figure.Pdf panels |> should equal pdf
                // With the whole font it would be ten times as long.
                pdf.Length |> should be (lessThan 200_000))

            testCase "figures that are drawn on several threads while garbage is collected are the same to the last byte" (fun () ->
                let panels =
                    [|
                        panel
                            true
                            [
                                for look in 0 .. looks.Length - 1 ->
                                    curve $"curve {look}" look [ for i in 1..40 -> float (i * (look + 1)) ]
                            ]
                    |]

                let svg, pixels = Figure.Svg panels, Figure.Png panels
                use stop = new System.Threading.CancellationTokenSource()

                let collector =
                    System.Threading.Thread(fun () ->
                        while not stop.IsCancellationRequested do
                            GC.Collect 0
                            System.Threading.Thread.Sleep 1)

                collector.Start()

                try
                    Array.Parallel.init 4 (fun _ ->
                        for _ in 1..6 do
                            Figure.Svg panels |> should equal svg
                            Figure.Png panels |> should equal pixels
                            Figure.Pdf panels |> should not' (be Empty))
                    |> ignore
                finally
                    stop.Cancel()
                    collector.Join())

            testCase "imaml redraw / a file without what is drawn is one line that names it" (fun () ->
                for name in [ "diagnosis.json"; "fig2b.json"; "table1.json"; "table2.json" ] do
                    for text in [ "{}"; "null"; "[]" ] do
                        inFolder (fun folder ->
                            File.WriteAllText(Path.Combine(folder, name), text)
                            let outcome = Imaml.run [ "redraw"; folder ]
                            outcome.Line |> should haveSubstring name
                            outcome.ExitCode |> should equal 1))

            testCase "imaml redraw / the figures are there again, and the numbers are as they were" (fun () ->
                // Each in a process of its own: how a font's glyphs are ordered in a PDF depends on what was drawn before.
                inFolder (fun folder ->
                    (Imaml.run [ "reproduce"; "fig2a"; "--problems"; "4"; "--seed"; "2"; "--out"; folder ]).ExitCode
                    |> should equal 0

                    let at name = Path.Combine(folder, name)
                    let drawn = [ "fig2a"; "fig2a-certificate"; "fig2a-variants"; "fig2a-work" ] |> List.collect named
                    let numbers = [ "fig2a.csv"; "fig2a.json" ] |> List.map (at >> File.ReadAllBytes)
                    let size name = use image = SKBitmap.Decode(at name) in image.Width, image.Height
                    let before = size "fig2a-certificate.png"
                    drawn |> List.iter (at >> File.Delete)
                    (Imaml.runAlone [ "redraw"; folder ]).ExitCode |> should equal 0

                    for name in drawn do
                        File.Exists(at name) |> should equal true

                    [ "fig2a.csv"; "fig2a.json" ] |> List.map (at >> File.ReadAllBytes) |> should equal numbers
                    size "fig2a-certificate.png" |> should equal before
                    let first = drawn |> List.map (at >> File.ReadAllBytes)
                    (Imaml.runAlone [ "redraw"; folder ]).ExitCode |> should equal 0
                    drawn |> List.map (at >> File.ReadAllBytes) |> should equal first))

            testCase "imaml redraw / a folder without results, and damaged results, are one line" (fun () ->
                inFolder (fun folder ->
                    let outcome = Imaml.run [ "redraw"; folder ]
                    outcome.ExitCode |> should equal 1
                    Expect.stringContains outcome.Line "has none of fig2a.csv, fig2b.json, table1.json, diagnosis.json" "the line"
                    File.WriteAllText(Path.Combine(folder, "fig2a.csv"), "problem,method\n0\n")
                    let damaged = Imaml.run [ "redraw"; folder ]
                    damaged.ExitCode |> should equal 1
                    Expect.stringContains damaged.Line "fig2a.csv cannot be drawn: the row 0 has 1 cells, not 2" "the line"
                    // The other folders are drawn all the same: here a table of a version that did not record the device.
                    let table = Directory.CreateDirectory(Path.Combine(folder, "table1")).FullName
                    let from = Path.Combine(Repository.root (), "results", "table1")

                    for name in [ "table1.json"; "table1.csv" ] do
                        File.Copy(Path.Combine(from, name), Path.Combine(table, name))

                    let both = Imaml.run [ "redraw"; folder; table ]
                    both.ExitCode |> should equal 1
                    both.Errors |> should haveSubstring "fig2a.csv cannot be drawn"
                    File.Exists(Path.Combine(table, "table1.svg")) |> should equal true))

            testCase "a point without a place on a logarithmic axis is a gap, not a fault" (fun () ->
                let png third =
                    Figure.Png
                        [|
                            panel
                                true
                                [
                                    curve "gaps" 0 [ 1.0; 0.5; third; 0.1; 0.01 ]
                                    curve "nowhere" 1 [ 0.0; nan ]
                                ]
                        |]

                for without in [ 0.0; -1.0; infinity ] do
                    png without |> should equal (png nan)

                png 0.2 |> should not' (equal (png nan)))

            testCase "decades have their labels, powers of ten; a wide range is thinned, a narrow one has 2 and 5 times them" (fun () ->
                tickLabels -2.5 1.2 |> should equal [ "10⁻²"; "10⁻¹"; "10⁰"; "10¹" ]
                tickLabels 0.0 1.0 |> should equal [ "1"; "2"; "5"; "10" ]
                tickLabels -9.0 -8.2 |> should equal [ "10⁻⁹"; "2·10⁻⁹"; "5·10⁻⁹" ]
                (tickLabels -40.0 0.0).Length |> should be (lessThanOrEqualTo 10)
                tickLabels -15.0 1.0 |> should contain "10⁻¹²")

            testCase "every logarithmic axis has at least two labels, however narrow it is, in order and at most as many as fit" (fun () ->
                tickLabels (log10 57.0) (log10 73.0) |> should equal [ "60"; "70" ]
                tickLabels (log10 61.2) (log10 63.9) |> should equal [ "62"; "63" ]
                tickLabels (log10 6.12e-9) (log10 6.39e-9) |> should equal [ "6.2·10⁻⁹"; "6.3·10⁻⁹" ]

                for low in -12.0 .. 0.37..6.0 do
                    for span in [ 0.001; 0.01; 0.05; 0.2; 0.5; 1.0; 1.49; 1.51; 2.0; 7.0; 30.0 ] do
                        let count = (tickLabels low (low + span)).Length
                        Expect.isTrue (count >= 2 && count <= 10) $"%d{count} labels from %f{low}, %f{span} wide"

                        ticks low (low + span)
                        |> Array.map _.Position
                        |> Array.pairwise
                        |> Array.forall (fun (a, b) -> a < b)
                        |> should equal true)

            testCase "Csv / numbers have a decimal point and six digits, and what is not a number is an empty cell" (fun () ->
                let row (cells: obj list) = cells |> List.toArray

                Csv.Of([| "a"; "b"; "c" |], [ row [ 1; 0.123456789; nan ]; row [ "word"; 1e-20; 1e5 ] ])
                |> should equal "a,b,c\n1,0.123457,\nword,1E-20,100000\n")
        ]
