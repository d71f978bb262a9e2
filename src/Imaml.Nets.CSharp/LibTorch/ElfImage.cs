// What the loader reads and changes of a 64-bit little-endian ELF library.
// Layouts and constants: System V ABI, chapters 4 and 5, and the LSB's "Symbol Versioning".
//
// A library linked on a newer system may ask for one symbol version that an older C++ runtime lacks. Where that symbol is not needed
// (here: std::ios_base_library_init, which only makes sure that iostreams are initialised, and libtorch has initialised them by then),
// three edits let the older loader accept the library:
//   1. .gnu.version_r: the required version becomes weak (VER_FLG_WEAK), so that its absence is not an error;
//   2. .dynsym: the symbol takes the name of a stand-in that is undefined in the same library already, has no argument and no effect;
//   3. .gnu.version: the symbol takes the stand-in's version.
//
// The system's loader maps a library without checking its length: where the file is cut off, the first access to a missing page ends the
// process with a bus error that nothing can catch. The headers say where the file must end.

using System.Buffers.Binary;
using System.Text;

namespace Imaml.Nets.LibTorch;

/// <summary>A version that a library asks for.</summary>
/// <param name="FlagsAt">Where its flags are in the file.</param>
/// <param name="Weak">Whether the library can do without it.</param>
internal sealed record ElfRequirement(int FlagsAt, bool Weak);

/// <summary>An ELF library in memory. Offsets are into the bytes that it was made of.</summary>
/// <exception cref="InvalidDataException">From every member: the bytes are not such a library, or are cut off.</exception>
internal sealed class ElfImage
{
    /// <summary>The flag of a requirement that can be done without (VER_FLG_WEAK).</summary>
    public const int WeakFlag = 2;

    private const uint DynamicSymbols = 11, VersionNeeds = 0x6ffffffe, SymbolVersions = 0x6fffffff;
    private const int SymbolSize = 24, GlobalBinding = 1;

    private readonly byte[] _bytes;
    private readonly int _symbols, _symbolCount, _strings, _versions, _needs, _needCount, _needStrings;

    public ElfImage(byte[] bytes)
    {
        _bytes = bytes;
        if (bytes.Length < 64 || bytes[0] != 0x7f || bytes[1] != 'E' || bytes[2] != 'L' || bytes[3] != 'F' || bytes[4] != 2 || bytes[5] != 1)
        {
            throw new InvalidDataException("not a 64-bit little-endian ELF file");
        }

        int? Section(uint type)
        {
            int table = Offset(40), size = ReadUInt16(58), count = ReadUInt16(60);
            for (var i = 0; i < count; i++)
            {
                if (ReadUInt32(table + i * size + 4) == type)
                {
                    return table + i * size;
                }
            }

            return null;
        }

        int Linked(int section) => Offset(Offset(40) + (int)ReadUInt32(section + 40) * ReadUInt16(58) + 24);

        // A library without these three sections asks for no version of anything.
        if (Section(DynamicSymbols) is { } symbols && Section(SymbolVersions) is { } versions && Section(VersionNeeds) is { } needs)
        {
            (_symbols, _symbolCount, _strings) = (Offset(symbols + 24), Offset(symbols + 32) / SymbolSize, Linked(symbols));
            _versions = Offset(versions + 24);
            (_needs, _needCount, _needStrings) = (Offset(needs + 24), (int)ReadUInt32(needs + 44), Linked(needs));
        }
    }

    /// <summary>Where a dynamic symbol is.</summary>
    public int SymbolAt(int index) => _symbols + index * SymbolSize;

    /// <summary>Where the index of its version is.</summary>
    public int VersionOfSymbolAt(int index) => _versions + 2 * index;

    /// <summary>The library's requirement of a version of one of its dependencies, or null where it has none.</summary>
    public ElfRequirement? FindRequirement(string version)
    {
        return Chain(_needs, _needCount)
            .SelectMany(need => Chain(need + (int)ReadUInt32(need + 8), ReadUInt16(need + 2)))
            .Where(entry => StringIs(_needStrings + (int)ReadUInt32(entry + 8), version))
            .Select(entry => new ElfRequirement(entry + 4, (ReadUInt16(entry + 4) & WeakFlag) != 0))
            .FirstOrDefault();
    }

    /// <summary>The index of a symbol that another library must define.</summary>
    public int FindUndefined(string name)
    {
        foreach (var symbol in Undefined())
        {
            if (StringIs(NameAt(symbol), name))
            {
                return symbol;
            }
        }

        throw new InvalidDataException($"the library does not import {name}");
    }

    /// <summary>The names that other libraries must define for this one to work; weak ones are not among them.</summary>
    public IEnumerable<string> RequiredSymbols() =>
        Undefined().Where(symbol => Span(SymbolAt(symbol) + 4, 1)[0] >> 4 == GlobalBinding).Select(symbol => StringAt(NameAt(symbol)));

    // The first entry is not a symbol; section 0 means that another library defines it.
    private IEnumerable<int> Undefined() => Enumerable.Range(1, int.Max(0, _symbolCount - 1)).Where(symbol => ReadUInt16(SymbolAt(symbol) + 6) == 0);

    private int NameAt(int symbol) => _strings + (int)ReadUInt32(SymbolAt(symbol));

    public ushort ReadUInt16(int at) => BinaryPrimitives.ReadUInt16LittleEndian(Span(at, 2));

    public uint ReadUInt32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(Span(at, 4));

    public void WriteUInt16(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Span(at, 2), value);

    public void WriteUInt32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Span(at, 4), value);

    // Verneed and Vernaux records both hold the distance to the next one at byte 12; the last holds 0.
    private IEnumerable<int> Chain(int first, int count)
    {
        for (int record = first, distance = 1, i = 0; i < count && distance != 0; i++, record += distance)
        {
            yield return record;
            distance = (int)ReadUInt32(record + 12);
        }
    }

    private int Offset(int at)
    {
        var value = BinaryPrimitives.ReadUInt64LittleEndian(Span(at, 8));
        return value <= (ulong)_bytes.Length ? (int)value : throw CutOff();
    }

    private bool StringIs(int at, string text)
    {
        var expected = Encoding.ASCII.GetBytes(text + '\0');
        return at >= 0 && at <= _bytes.Length - expected.Length && _bytes.AsSpan(at, expected.Length).SequenceEqual(expected);
    }

    private string StringAt(int at)
    {
        var rest = at >= 0 && at <= _bytes.Length ? _bytes.AsSpan(at) : throw CutOff();
        return rest.IndexOf((byte)0) is var length and >= 0 ? Encoding.ASCII.GetString(rest[..length]) : throw CutOff();
    }

    private Span<byte> Span(int at, int length) => at >= 0 && at <= _bytes.Length - length ? _bytes.AsSpan(at, length) : throw CutOff();

    private static InvalidDataException CutOff() => new("the ELF file is cut off or damaged");
}

/// <summary>Replaces a versioned undefined symbol of an ELF library by another that the library imports already.</summary>
internal static class ElfSymbolPatch
{
    /// <summary>A copy of <paramref name="image"/> in which <paramref name="symbol"/> is bound to <paramref name="standIn"/> and <paramref name="version"/> is optional.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or lacks the version or one of the symbols.</exception>
    public static byte[] Apply(byte[] image, string version, string symbol, string standIn)
    {
        var patched = (byte[])image.Clone();
        var elf = new ElfImage(patched);
        var requirement = elf.FindRequirement(version) ?? throw new InvalidDataException($"the library does not ask for {version}");
        var (from, to) = (elf.FindUndefined(symbol), elf.FindUndefined(standIn));
        elf.WriteUInt16(requirement.FlagsAt, (ushort)(elf.ReadUInt16(requirement.FlagsAt) | ElfImage.WeakFlag));
        elf.WriteUInt32(elf.SymbolAt(from), elf.ReadUInt32(elf.SymbolAt(to)));
        elf.WriteUInt16(elf.VersionOfSymbolAt(from), elf.ReadUInt16(elf.VersionOfSymbolAt(to)));
        return patched;
    }
}

/// <summary>Detects a library file that is cut off, or a file that is not a library, before it is loaded.</summary>
internal static class ElfLength
{
    private const int HeaderSize = 64, SegmentSize = 56;

    /// <summary>Returns where the file is a 64-bit little-endian ELF file that is as long as its headers say.</summary>
    /// <exception cref="InvalidDataException">It is not.</exception>
    public static void Check(string path)
    {
        using var file = File.OpenRead(path);
        var header = Read(file, 0, HeaderSize);
        if (!header.AsSpan(0, 6).SequenceEqual((byte[])[0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1]))
        {
            throw new InvalidDataException("not a 64-bit little-endian ELF file");
        }

        var sections = Int64(header, 40) + (long)UInt16(header, 58) * UInt16(header, 60);
        long segments = Int64(header, 32), ends = sections;
        for (var i = 0; i < UInt16(header, 56); i++)
        {
            var segment = Read(file, segments + (long)i * UInt16(header, 54), SegmentSize);
            ends = System.Math.Max(ends, Int64(segment, 8) + Int64(segment, 32));
        }

        if (ends < 0 || ends > file.Length)
        {
            throw new InvalidDataException($"cut off: {file.Length} of {ends} bytes");
        }
    }

    private static byte[] Read(FileStream file, long at, int length)
    {
        if (at < 0 || at > file.Length - length)
        {
            throw new InvalidDataException($"cut off: {file.Length} bytes");
        }

        var bytes = new byte[length];
        file.Position = at;
        file.ReadExactly(bytes);
        return bytes;
    }

    private static ushort UInt16(byte[] bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(at));

    private static long Int64(byte[] bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(at));
}
