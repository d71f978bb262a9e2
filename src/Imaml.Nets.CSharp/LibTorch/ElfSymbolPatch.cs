// Makes one undefined symbol of a 64-bit little-endian ELF library harmless, in memory.
//
// A library linked on a newer system may ask for one symbol version that an older C++ runtime lacks. Where that symbol is not needed
// (here: std::ios_base_library_init, which only makes sure that iostreams are initialised, and libtorch has initialised them by then),
// three edits let the older loader accept the library:
//   1. .gnu.version_r: the required version becomes weak (VER_FLG_WEAK), so that its absence is no error;
//   2. .dynsym: the symbol takes the name of a stand-in that is undefined in the same library already, has no argument and no effect;
//   3. .gnu.version: the symbol takes the stand-in's version.
// Layouts and constants: System V ABI, chapter 5, and the LSB's "Symbol Versioning".

using System.Buffers.Binary;
using System.Text;

namespace Imaml.Nets.LibTorch;

/// <summary>Replaces a versioned undefined symbol of an ELF library by another that the library imports already.</summary>
public static class ElfSymbolPatch
{
    private const uint DynamicSymbols = 11, VersionNeeds = 0x6ffffffe, SymbolVersions = 0x6fffffff;
    private const int SymbolSize = 24, WeakFlag = 2;

    /// <summary>Tells whether the library insists on <paramref name="version"/> of any of its dependencies; one that is marked weak it can do without.</summary>
    /// <exception cref="InvalidDataException">The bytes are no 64-bit little-endian ELF file, or are cut off.</exception>
    public static bool Requires(byte[] image, string version) => new Elf(image).FindRequirement(version) is { Weak: false };

    /// <summary>A copy of <paramref name="image"/> in which <paramref name="symbol"/> is bound to <paramref name="standIn"/> and <paramref name="version"/> is optional.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or lacks the version or one of the symbols.</exception>
    public static byte[] Apply(byte[] image, string version, string symbol, string standIn)
    {
        var patched = (byte[])image.Clone();
        var elf = new Elf(patched);
        var requirement = elf.FindRequirement(version) ?? throw new InvalidDataException($"the library does not ask for {version}");
        var (from, to) = (elf.FindUndefined(symbol), elf.FindUndefined(standIn));
        elf.WriteUInt16(requirement.FlagsAt, (ushort)(elf.ReadUInt16(requirement.FlagsAt) | WeakFlag));
        elf.WriteUInt32(elf.SymbolAt(from), elf.ReadUInt32(elf.SymbolAt(to)));
        elf.WriteUInt16(elf.VersionOfSymbolAt(from), elf.ReadUInt16(elf.VersionOfSymbolAt(to)));
        return patched;
    }

    private sealed record Requirement(int FlagsAt, bool Weak);

    private sealed class Elf
    {
        private readonly byte[] _bytes;
        private readonly int _symbols, _symbolCount, _strings, _versions, _needs, _needCount, _needStrings;

        public Elf(byte[] bytes)
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

        public int SymbolAt(int index) => _symbols + index * SymbolSize;

        public int VersionOfSymbolAt(int index) => _versions + 2 * index;

        public Requirement? FindRequirement(string version)
        {
            return Chain(_needs, _needCount)
                .SelectMany(need => Chain(need + (int)ReadUInt32(need + 8), ReadUInt16(need + 2)))
                .Where(entry => StringIs(_needStrings + (int)ReadUInt32(entry + 8), version))
                .Select(entry => new Requirement(entry + 4, (ReadUInt16(entry + 4) & WeakFlag) != 0))
                .FirstOrDefault();
        }

        public int FindUndefined(string name)
        {
            for (var i = 1; i < _symbolCount; i++)
            {
                if (ReadUInt16(SymbolAt(i) + 6) == 0 && StringIs(_strings + (int)ReadUInt32(SymbolAt(i)), name))
                {
                    return i;
                }
            }

            throw new InvalidDataException($"the library does not import {name}");
        }

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

        private Span<byte> Span(int at, int length) => at >= 0 && at <= _bytes.Length - length ? _bytes.AsSpan(at, length) : throw CutOff();

        private static InvalidDataException CutOff() => new("the ELF file is cut off or damaged");
    }
}
