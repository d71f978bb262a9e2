// The owner and the kind of a file or folder. No other user may be able to change what this program keeps to use again, above all a native library.

using System.Runtime.InteropServices;

namespace Imaml.Nets.Storage;

/// <summary>Owners and modes of files, as Linux has them; elsewhere nothing is checked and every file is trusted.</summary>
internal static class Owner
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    // statx(2): its structure is the same on all processors.
    private const int CurrentFolder = -100, NoFollow = 0x100, Type = 0x1, UserId = 0x8, FileNumber = 0x100, StructureLength = 256, UserOffset = 20, ModeOffset = 28, FileNumberOffset = 32, DeviceOffset = 136;

    // st_mode's kinds of file.
    private const int KindMask = 0xF000, Regular = 0x8000, Folder = 0x4000, Pipe = 0x1000, CharacterDevice = 0x2000;

    // errno: no such file, no folder, too long a name, too many links.
    private const int NoEntry = 2, NoFolder = 20, NameTooLong = 36, LinkLoop = 40;

    /// <summary>The number of the user that this process runs as.</summary>
    public static uint Current => OperatingSystem.IsLinux() ? EffectiveUser() : 0;

    /// <summary>Whether a file is this user's or root's, and not open to all; of a symbolic link its own owner counts.</summary>
    public static bool IsTrusted(string path) =>
        !OperatingSystem.IsLinux() || (Of(path) is { } user && (user == 0 || user == Current) && (File.GetUnixFileMode(path) & UnixFileMode.OtherWrite) == 0);

    /// <summary>Whether a file or folder is this user's.</summary>
    public static bool IsMine(string path) => !OperatingSystem.IsLinux() || Of(path) == Current;

    /// <summary>Whether a name is that of a device, a pipe or a socket, which nothing may take the place of; a symbolic link counts as what it leads to.</summary>
    public static bool IsSpecial(string path) => KindOf(path) is PathKind.Stream or PathKind.Special;

    /// <summary>What a path leads to, by whatever links.</summary>
    public static PathKind KindOf(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return Directory.Exists(path) ? PathKind.Folder : File.Exists(path) ? PathKind.File : PathKind.Missing;
        }

        var status = new byte[StructureLength];
        if (Status(CurrentFolder, path, 0, Type, status) == 0)
        {
            return (BitConverter.ToUInt16(status, ModeOffset) & KindMask) switch
            {
                Regular => PathKind.File,
                Folder => PathKind.Folder,
                Pipe or CharacterDevice => PathKind.Stream,
                _ => PathKind.Special,
            };
        }

        return Marshal.GetLastPInvokeError() is NoEntry or NoFolder or NameTooLong or LinkLoop
            ? path.Length == 0 || new FileInfo(path).LinkTarget is null ? PathKind.Missing : PathKind.Broken
            : PathKind.Closed;
    }

    /// <summary>A path without links; null where it leads nowhere, or the system does not say where.</summary>
    public static string? RealPath(string path)
    {
        var found = OperatingSystem.IsLinux() ? Resolved(path, 0) : 0;
        if (found == 0)
        {
            return null;
        }

        var text = Marshal.PtrToStringUTF8(found);
        Free(found);
        return text;
    }

    /// <summary>What two paths have in common that lead to the same file or folder; null where the system does not report it.</summary>
    public static (ulong File, ulong Device)? Identity(string path)
    {
        var status = new byte[StructureLength];
        return OperatingSystem.IsLinux() && Status(CurrentFolder, path, 0, FileNumber, status) == 0 ? (BitConverter.ToUInt64(status, FileNumberOffset), BitConverter.ToUInt64(status, DeviceOffset)) : null;
    }

    /// <summary>Makes a folder, and those above it that are missing, which this user alone may enter; one that is there is closed to others.</summary>
    /// <exception cref="UnauthorizedAccessException">It is another user's, or may not be made.</exception>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static void MakePrivate(string folder)
    {
        if (!OperatingSystem.IsLinux())
        {
            Directory.CreateDirectory(folder);
            return;
        }

        if (!Directory.Exists(folder))
        {
            if (Path.GetDirectoryName(folder) is { } above && !Directory.Exists(above))
            {
                MakePrivate(above);
            }

            Directory.CreateDirectory(folder, Private);
        }

        if (!IsMine(folder))
        {
            throw new UnauthorizedAccessException($"{folder} belongs to another user");
        }

        if (File.GetUnixFileMode(folder) != Private)
        {
            File.SetUnixFileMode(folder, Private);
        }
    }

    private static uint? Of(string path)
    {
        var status = new byte[StructureLength];
        return Status(CurrentFolder, path, NoFollow, UserId, status) == 0 ? BitConverter.ToUInt32(status, UserOffset) : null;
    }

    [DllImport("libc", EntryPoint = "geteuid")]
    private static extern uint EffectiveUser();

    [DllImport("libc", EntryPoint = "realpath")]
    private static extern nint Resolved([MarshalAs(UnmanagedType.LPUTF8Str)] string path, nint buffer);

    [DllImport("libc", EntryPoint = "free")]
    private static extern void Free(nint memory);

    [DllImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static extern int Status(int folder, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, [Out] byte[] status);
}
