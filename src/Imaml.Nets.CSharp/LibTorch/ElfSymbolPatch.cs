// Makes one undefined symbol of a 64-bit little-endian ELF library harmless, in memory.
//
// A library linked on a newer system may ask for one symbol version that an older C++ runtime lacks. Where that symbol is not needed
// (here: std::ios_base_library_init, which only makes sure that iostreams are initialised, and libtorch has initialised them by then),
// three edits let the older loader accept the library:
//   1. .gnu.version_r: the required version becomes weak (VER_FLG_WEAK), so that its absence is no error;
//   2. .dynsym: the symbol takes the name of a stand-in that is undefined in the same library already, has no argument and no effect;
//   3. .gnu.version: the symbol takes the stand-in's version.
// Layouts and constants: System V ABI, chapter 5, and the LSB's "Symbol Versioning".


namespace Imaml.Nets.LibTorch;

/// <summary>Replaces a versioned undefined symbol of an ELF library by another that the library imports already.</summary>
public static class ElfSymbolPatch
{
    /// <summary>Tells whether the library insists on <paramref name="version"/> of any of its dependencies; one that is marked weak it can do without.</summary>
    /// <exception cref="InvalidDataException">The bytes are no 64-bit little-endian ELF file, or are cut off.</exception>
    public static bool Requires(byte[] image, string version) => new ElfImage(image).FindRequirement(version) is { Weak: false };

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
