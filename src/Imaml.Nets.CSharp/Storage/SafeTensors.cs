// The safetensors format, which PyTorch and others read and write:
//
//     length of the header (uint64, little-endian) · header, a JSON object · data
//     {"__metadata__": {"key": "text"}, "conv1.weight": {"dtype": "F32", "shape": [64, 1, 3, 3], "data_offsets": [0, 2304]}}
//
// A file may come from anywhere. So nothing is allocated by a number in it, and a file is accepted only where the tensors fill the data without
// gaps or overlaps, as the format's specification requires.

using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Imaml.Nets.Storage;

/// <summary>A tensor of a file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The format's word for the type of its numbers.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Data">Its numbers, row by row, little-endian.</param>
internal sealed record StoredTensor(string Name, string Type, IReadOnlyList<long> Shape, ReadOnlyMemory<byte> Data)
{
    /// <summary>The types of the numbers that this library stores.</summary>
    public const string Single = "F32", Double = "F64";

    /// <summary>A tensor of single precision.</summary>
    public static StoredTensor Of(string name, IReadOnlyList<long> shape, ReadOnlySpan<float> numbers) => new(name, Single, shape, MemoryMarshal.AsBytes(numbers).ToArray());

    /// <summary>A tensor of double precision.</summary>
    public static StoredTensor Of(string name, IReadOnlyList<long> shape, ReadOnlySpan<double> numbers) => new(name, Double, shape, MemoryMarshal.AsBytes(numbers).ToArray());

    /// <summary>The numbers of a tensor of single precision.</summary>
    public ReadOnlySpan<float> Singles => MemoryMarshal.Cast<byte, float>(Data.Span);

    /// <summary>The numbers of a tensor of double precision.</summary>
    public ReadOnlySpan<double> Doubles => MemoryMarshal.Cast<byte, double>(Data.Span);

    /// <summary>Type and shape, for messages.</summary>
    public override string ToString() => $"{Type} [{string.Join(", ", Shape)}]";
}

/// <summary>The content of a file.</summary>
/// <param name="Tensors">The tensors, in the order of their data.</param>
/// <param name="Metadata">Texts by their keys.</param>
internal sealed record SafeTensors(IReadOnlyList<StoredTensor> Tensors, IReadOnlyDictionary<string, string> Metadata)
{
    // A header of a thousand tensors has a tenth of this.
    private const int LongestHeader = 1 << 20, Alignment = 8, Start = sizeof(ulong), Depth = 8;

    private const string MetadataKey = "__metadata__", TypeKey = "dtype", ShapeKey = "shape", PlaceKey = "data_offsets";

    private static readonly FrozenDictionary<string, int> Sizes =
        new (int Bytes, string Types)[] { (1, "BOOL U8 I8 F8_E4M3 F8_E5M2 F8_E8M0"), (2, "U16 I16 F16 BF16"), (4, "U32 I32 F32"), (8, "U64 I64 F64 C64") }
            .SelectMany(one => one.Types.Split(' '), (one, type) => (type, one.Bytes)).ToFrozenDictionary(one => one.type, one => one.Bytes);

    /// <summary>The bytes of a file.</summary>
    public byte[] Bytes()
    {
        var header = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            json.WriteStartObject(MetadataKey);
            foreach (var (key, text) in Metadata)
            {
                json.WriteString(key, text);
            }

            json.WriteEndObject();
            var end = 0L;
            foreach (var tensor in Tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString(TypeKey, tensor.Type);
                WriteNumbers(json, ShapeKey, tensor.Shape);
                WriteNumbers(json, PlaceKey, [end, end += tensor.Data.Length]);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        // Spaces, so that the data begin at a multiple of 8.
        var padding = (Alignment - header.WrittenCount % Alignment) % Alignment;
        using var file = new MemoryStream();
        Span<byte> length = stackalloc byte[Start];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)(header.WrittenCount + padding));
        file.Write(length);
        file.Write(header.WrittenSpan);
        file.Write("       "u8[..padding]);
        foreach (var tensor in Tensors)
        {
            file.Write(tensor.Data.Span);
        }

        return file.ToArray();
    }

    /// <summary>Whether a file may begin with these bytes: the length of a header, and its brace. Fewer bytes are accepted here, and reported by <see cref="Read"/>.</summary>
    internal static bool MayBegin(byte[] start) => start.Length <= Start || (BinaryPrimitives.ReadUInt64LittleEndian(start) is > 0 and <= LongestHeader && start[Start] == (byte)'{');

    /// <summary>Reads the bytes of a file.</summary>
    /// <exception cref="InvalidDataException">They are not a whole file of the format; the message continues the file's name.</exception>
    public static SafeTensors Read(ReadOnlyMemory<byte> file)
    {
        if (file.Length < Start)
        {
            throw new InvalidDataException("is not a safetensors file: it is shorter than 8 bytes");
        }

        var length = BinaryPrimitives.ReadUInt64LittleEndian(file.Span);
        if (length > LongestHeader)
        {
            throw new InvalidDataException($"is not a safetensors file, or its header of {length:N0} bytes exceeds the upper limit of {LongestHeader:N0}");
        }

        if ((int)length > file.Length - Start)
        {
            throw new InvalidDataException($"is cut off: its header has {length:N0} bytes, and {file.Length - Start:N0} are there");
        }

        var header = file.Slice(Start, (int)length);
        if (header.IsEmpty || header.Span[0] != (byte)'{')
        {
            throw new InvalidDataException("is not a safetensors file: its header is not a JSON object");
        }

        try
        {
            using var json = JsonDocument.Parse(header, new JsonDocumentOptions { MaxDepth = Depth });
            return Of(json.RootElement, file[(Start + (int)length)..]);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"is damaged: its header is not JSON (byte {e.BytePositionInLine} of line {e.LineNumber + 1})", e);
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException("is damaged: a text of its header is not Unicode", e);
        }
    }

    private static SafeTensors Of(JsonElement header, ReadOnlyMemory<byte> data)
    {
        var (metadata, places) = (new Dictionary<string, string>(), new List<Place>());
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in header.EnumerateObject())
        {
            if (!names.Add(entry.Name))
            {
                throw new InvalidDataException($"is damaged: {Rule.Printed(entry.Name)} is there twice");
            }

            if (entry.Name == MetadataKey)
            {
                metadata = Texts(entry.Value);
            }
            else
            {
                places.Add(Place.Of(entry.Name, entry.Value));
            }
        }

        // Empty tensors before the one that begins at the same place.
        places = [.. places.OrderBy(one => one.Begin).ThenBy(one => one.End)];
        var end = 0L;
        foreach (var one in places)
        {
            if (one.Begin != end)
            {
                throw new InvalidDataException(one.Begin < end
                    ? $"is damaged: {Rule.Printed(one.Name)} overlaps the tensor before it"
                    : $"is damaged: {one.Begin - end:N0} bytes before {Rule.Printed(one.Name)} belong to no tensor");
            }

            end = one.End;
        }

        return end == data.Length
            ? new SafeTensors([.. places.Select(one => new StoredTensor(one.Name, one.Type, one.Shape, data[(int)one.Begin..(int)one.End]))], metadata)
            : throw new InvalidDataException(end > data.Length
                ? $"is cut off: its tensors have {end:N0} bytes, and {data.Length:N0} are there"
                : $"is damaged: {data.Length - end:N0} bytes after its last tensor belong to none");
    }

    private static Dictionary<string, string> Texts(JsonElement value)
    {
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        var pairs = value.ValueKind == JsonValueKind.Object ? value.EnumerateObject().ToArray() : null;
        return pairs is not null && pairs.All(one => one.Value.ValueKind == JsonValueKind.String && texts.TryAdd(one.Name, one.Value.GetString()!))
            ? texts
            : throw new InvalidDataException($"is damaged: {MetadataKey} must be an object of texts, each name once");
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, IEnumerable<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }

    /// <summary>Where a tensor's data are said to be.</summary>
    private sealed record Place(string Name, string Type, long[] Shape, long Begin, long End)
    {
        public static Place Of(string name, JsonElement value)
        {
            if (value.ValueKind != JsonValueKind.Object || value.EnumerateObject().Count() != 3
                || !value.TryGetProperty(TypeKey, out var type) || !value.TryGetProperty(ShapeKey, out var shape) || !value.TryGetProperty(PlaceKey, out var place)
                || type.ValueKind != JsonValueKind.String || Numbers(shape) is not { } sizes || Numbers(place) is not [var begin, var end])
            {
                throw new InvalidDataException($"is damaged: {Rule.Printed(name)} needs {TypeKey}, {ShapeKey} and two {PlaceKey}, each once, of whole numbers from 0 on");
            }

            var word = type.GetString()!;
            if (!Sizes.TryGetValue(word, out var size))
            {
                throw new InvalidDataException($"has a tensor {Rule.Printed(name)} of the unknown type {Rule.Printed(word)}");
            }

            return begin <= end && Bytes(sizes, size) == end - begin
                ? new Place(name, word, sizes, begin, end)
                : throw new InvalidDataException($"is damaged: {Rule.Printed(name)} is {word} [{string.Join(", ", sizes.Take(Depth))}], which is not what bytes {begin} to {end} hold");
        }

        // Null where the number of bytes overflows.
        private static long? Bytes(long[] shape, long size)
        {
            if (shape.Contains(0))
            {
                return 0;
            }

            foreach (var length in shape)
            {
                if (size > long.MaxValue / length)
                {
                    return null;
                }

                size *= length;
            }

            return size;
        }

        private static long[]? Numbers(JsonElement value)
        {
            if (value.ValueKind != JsonValueKind.Array)
            {
                return null;
            }

            var numbers = new List<long>();
            foreach (var one in value.EnumerateArray())
            {
                if (one.ValueKind != JsonValueKind.Number || !one.TryGetInt64(out var number) || number < 0)
                {
                    return null;
                }

                numbers.Add(number);
            }

            return [.. numbers];
        }
    }
}
