/// libtorch loads on this system, patched or not, and says in one line where it cannot.
module Imaml.Nets.Tests.LibTorchTests

open System
open System.IO
open System.Runtime.InteropServices
open System.Threading.Tasks
open Expecto
open FsUnit
open Imaml.Nets.LibTorch
open Imaml.Testing
open TorchSharp

let private version = "GLIBCXX_3.4.32"
let private symbol = "_ZSt21ios_base_library_initv"
let private standIn = "_ZNSt6chrono3_V212steady_clock3nowEv"

/// TorchSharp's library as the package brings it: it asks for the version.
let private original =
    lazy
        let packaged =
            Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libLibTorchSharp.so")

        packaged, File.ReadAllBytes packaged

let private patched = lazy (ElfSymbolPatch.Apply(snd original.Value, version, symbol, standIn))

/// The test in a folder of its own; on other systems than Linux there is no such library and nothing to load early.
let private onLinux name (body: string -> unit) =
    Needs.unlessLacking
        (fun () ->
            if OperatingSystem.IsLinux() then
                None
            else
                Some "needs Linux")
        name
        (fun () -> inFolder body)

let private written (folder: string) (content: byte array) =
    let path = Path.Combine(folder, "libLibTorchSharp.so")
    File.WriteAllBytes(path, content)
    path

/// The message of the refusal, which is one line.
let private refusal (act: unit -> unit) =
    let caught =
        try
            act ()
            None
        with :? LibTorchLoadException as e ->
            Some e.Message

    match caught with
    | Some message ->
        message |> should not' (haveSubstring "\n")
        message
    | None -> failtest "loaded, though it should not have"

let private copies (cache: string) = Directory.GetFiles(cache, "*", SearchOption.AllDirectories)

/// Whether a library insists on a version of one of its dependencies; one that is marked weak it can do without.
let private requires version (image: byte[]) =
    match ElfImage(image).FindRequirement version with
    | null -> false
    | found -> not found.Weak

[<Tests>]
let tests =
    testList
        "LibTorch"
        [
            onLinux "loads, and a second derivative is right" (fun _ ->
                LibTorchLoader.EnsureLoaded() |> ignore
                use _ = torch.NewDisposeScope()
                let x = torch.tensor (3.0, requires_grad = true)
                let y = x * x * x
                let first = torch.autograd.grad([| y |], [| x |], retain_graph = true, create_graph = true)[0]
                let second = torch.autograd.grad([| first |], [| x |])[0]
                first.ToDouble() |> should equal 27.0
                second.ToDouble() |> should equal 18.0)

            onLinux "the packaged library asks for the newer C++ runtime, the patched one and the C library do not" (fun _ ->
                requires version (snd original.Value) |> should equal true
                requires version (patched.Value) |> should equal false

                for library in [ "libc.so.6"; "libm.so.6" ] do
                    let handle = NativeLibrary.Load library
                    NativeLibrary.Free handle

                    match
                        Seq.tryFind
                            File.Exists
                            [
                                $"/lib/x86_64-linux-gnu/{library}"
                                $"/lib64/{library}"
                                $"/usr/lib/{library}"
                            ]
                    with
                    | Some path -> requires version (File.ReadAllBytes path) |> should equal false
                    | None -> skiptest $"needs {library} in one of the usual folders")

            onLinux "the patch changes three places and nothing else" (fun _ ->
                let before, after = snd original.Value, patched.Value
                after.Length |> should equal before.Length
                let changed = Seq.zip before after |> Seq.filter (fun (a, b) -> a <> b) |> Seq.length
                // a flag (1 byte), a name (at most 4 bytes), a version index (at most 2)
                changed |> should be (greaterThanOrEqualTo 2)
                changed |> should be (lessThanOrEqualTo 7))

            onLinux "a library that needs the patch loads by way of a copy, and is itself left alone" (fun folder ->
                let path = written folder (snd original.Value)
                let cache = Path.Combine(folder, "cache")
                let copy = LibTorchLoader.CompatibilityCopy(path, cache)
                File.ReadAllBytes copy |> should equal patched.Value
                File.ReadAllBytes path |> should equal (snd original.Value)
                copies cache |> should equal [| copy |]
                LibTorchLoader.LoadBinding(copy, cache) |> isNull |> should equal true)

            onLinux "a library that needs no patch loads without a copy" (fun folder ->
                let cache = Path.Combine(folder, "cache")
                LibTorchLoader.LoadBinding(written folder patched.Value, cache) |> isNull |> should equal true
                Directory.Exists cache |> should equal false)

            onLinux "a damaged copy is made anew" (fun folder ->
                let path = written folder (snd original.Value)
                let cache = Path.Combine(folder, "cache")
                let copy = LibTorchLoader.CompatibilityCopy(path, cache)
                File.WriteAllBytes(copy, patched.Value[.. patched.Value.Length / 2])
                LibTorchLoader.CompatibilityCopy(path, cache) |> should equal copy
                File.ReadAllBytes copy |> should equal patched.Value)

            onLinux "the copy is kept where no other user can change it" (fun folder ->
                let path = written folder (snd original.Value)
                let cache = Path.Combine(folder, "cache")
                let copy = LibTorchLoader.CompatibilityCopy(path, cache)
                let privately = UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute
                let own = string (Path.GetDirectoryName copy)

                for made in [ cache; own ] do
                    File.GetUnixFileMode made |> should equal privately

                // What was left open is closed, and what others may have written is written again.
                File.SetUnixFileMode(own, privately ||| UnixFileMode.OtherRead ||| UnixFileMode.OtherWrite ||| UnixFileMode.OtherExecute)
                File.SetUnixFileMode(copy, UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.OtherWrite)
                LibTorchLoader.CompatibilityCopy(path, cache) |> should equal copy
                File.GetUnixFileMode own |> should equal privately
                File.GetUnixFileMode copy &&& UnixFileMode.OtherWrite |> should equal UnixFileMode.None
                File.ReadAllBytes copy |> should equal patched.Value)

            onLinux "those who race to write the copy all succeed and leave one file" (fun folder ->
                let path = written folder (snd original.Value)
                let cache = Path.Combine(folder, "cache")

                let made =
                    Task.WhenAll(Array.init 8 (fun _ -> Task.Run(fun () -> LibTorchLoader.CompatibilityCopy(path, cache)))).Result
                    |> Array.distinct

                copies cache |> should equal made
                File.ReadAllBytes(Array.exactlyOne made) |> should equal patched.Value)

            onLinux "a cache folder that cannot be written is named, with the cure" (fun folder ->
                let path = written folder (snd original.Value)

                let message =
                    refusal (fun () -> LibTorchLoader.CompatibilityCopy(path, Path.Combine(path, "cache")) |> ignore)

                message |> should haveSubstring (Path.Combine(path, "cache"))
                message |> should haveSubstring "XDG_CACHE_HOME")

            onLinux "a cut-off library is named before it is loaded" (fun folder ->
                for length in [ 20; 64; 3000; 1_000_000; (snd original.Value).Length - 1 ] do
                    let path = written folder (Array.truncate length (snd original.Value))
                    let message = refusal (fun () -> LibTorchLoader.LoadBinding(path, folder) |> ignore)
                    message |> should haveSubstring path)

            onLinux "a text file in place of a library is named" (fun folder ->
                let path = written folder (Text.Encoding.ASCII.GetBytes(String('x', 5000)))
                let message = refusal (fun () -> LibTorchLoader.LoadBinding(path, folder) |> ignore)
                message |> should haveSubstring "not a 64-bit little-endian ELF file")

            onLinux "a missing library is named" (fun folder ->
                let message =
                    refusal (fun () -> LibTorchLoader.LoadBinding(Path.Combine(folder, "absent.so"), folder) |> ignore)

                message |> should haveSubstring "absent.so")

            onLinux "a folder without libtorch is named, and so is the variable that chose it" (fun folder ->
                let chosen = Path.Combine(folder, "nowhere")
                let message = refusal (fun () -> LibTorchLoader.LoadLibTorch(folder, chosen) |> ignore)
                message |> should haveSubstring $"{LibTorchLoader.FolderVariable}={chosen}"

                refusal (fun () -> LibTorchLoader.LoadLibTorch(folder, null) |> ignore)
                |> should haveSubstring "TorchSharp-cpu")

            onLinux "beside another libtorch than the packaged one, the choice is refused: two in one process would end it" (fun folder ->
                let packaged, chosen = Path.Combine(folder, "packaged"), Path.Combine(folder, "chosen")

                for place in [ packaged; chosen ] do
                    Directory.CreateDirectory place |> ignore
                    File.WriteAllText(Path.Combine(place, "libtorch_cpu.so"), "")

                let message = refusal (fun () -> LibTorchLoader.LoadLibTorch(packaged, chosen) |> ignore)
                message |> should haveSubstring $"{LibTorchLoader.FolderVariable}={chosen}"
                message |> should haveSubstring "-p:LibTorch=external")

            onLinux "a library whose needs lie in NVIDIA's packages beside PyTorch's is loaded with them, and not without" (fun folder ->
                let native = Path.GetDirectoryName(fst original.Value) |> string

                // libtorch.so, which needs libtorch_cpu.so, renamed to need libneighbour.so, a name as long; and a library of that name.
                let copy (source: string) (changes: (string * string) list) (target: string) =
                    Directory.CreateDirectory(Path.GetDirectoryName target |> string) |> ignore
                    let latin = Text.Encoding.Latin1

                    let renamed =
                        changes
                        |> List.fold
                            (fun (text: string) (from, into: string) -> text.Replace(from, into.PadRight(String.length from, '\000')))
                            (latin.GetString(File.ReadAllBytes(Path.Combine(native, source))))

                    File.WriteAllBytes(target, latin.GetBytes renamed)

                let torch = Path.Combine(folder, "torch", "lib")
                let needy = Path.Combine(torch, "libneedy.so")
                copy "libtorch.so" [ "libtorch_cpu.so", "libneighbour.so"; "libtorch.so", "libneedy.so" ] needy
                let alone = refusal (fun () -> SharedLibrary.Load(needy, SharedLibrary.Neighbours torch) |> ignore)
                alone |> should haveSubstring "libneighbour.so: cannot open shared object file"
                alone |> should haveSubstring needy
                let package = Path.Combine(folder, "nvidia", "cu13", "lib")
                copy "libtorch_global_deps.so" [ "libtorch_global_deps.so", "libneighbour.so" ] (Path.Combine(package, "libneighbour.so"))
                SharedLibrary.Neighbours torch |> Seq.toList |> should equal [ torch; package ]
                SharedLibrary.Load(needy, SharedLibrary.Neighbours torch) |> should not' (equal 0n))

            testCase "where there is no CUDA, the line tells a libtorch without it from a machine without a GPU" (fun () ->
                let without = ComputeDevice.Absence("cuda", "FOLDER", false)
                without |> should haveSubstring "-p:Cuda=true"
                without |> should haveSubstring LibTorchLoader.FolderVariable
                ComputeDevice.Absence("cuda", "FOLDER", true) |> should haveSubstring "nvidia-smi")

            onLinux "a symbol that libtorch lacks is named, and no other" (fun _ ->
                let native = Path.GetDirectoryName(fst original.Value) |> string

                let handles =
                    [|
                        for library in [ "libc10.so"; "libtorch_cpu.so"; "libtorch.so" ] do
                            SharedLibrary.Load(Path.Combine(native, library), [||])
                    |]

                // The patched library asks for nothing that this system may lack.
                MissingSymbols.Of(patched.Value, handles) |> Seq.toList |> should be Empty
                let latin = Text.Encoding.Latin1
                let text = latin.GetString patched.Value

                let asked =
                    ElfImage(patched.Value).RequiredSymbols()
                    |> Seq.filter (fun name -> name.StartsWith("_ZN2at4_ops", StringComparison.Ordinal))
                    |> Seq.maxBy String.length

                let absent = asked[.. asked.Length - 2] + "_"
                let changed = latin.GetBytes(text.Replace(asked + "\000", absent + "\000"))
                MissingSymbols.Of(changed, handles) |> Seq.toList |> should equal [ absent ])

            // One damaged byte in the header or among the section headers: any answer will do, but no other exception and no endless loop.
            testPropertyWithConfig
                (Draws.times 200)
                "damage to a library is refused or harmless, never worse"
                (fun (place: uint32) (value: byte) ->
                    if OperatingSystem.IsLinux() then
                        let damaged = Array.copy (snd original.Value)
                        let tables = 64 // section headers

                        let at =
                            if place % 2u = 0u then
                                int (place % 64u)
                            else
                                damaged.Length - 1 - int (place % uint32 (30 * tables))

                        damaged[at] <- value

                        try
                            requires version damaged |> ignore
                            ElfImage(damaged).RequiredSymbols() |> Seq.length |> ignore
                        with :? InvalidDataException ->
                            ())
        ]
