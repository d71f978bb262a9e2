using System.Net.Http.Headers;

namespace Imaml.Nets.Tasks;

/// <summary>The part of a file that has arrived so far (NAME.part), and the entity tag of what it is a part of (NAME.part.etag).</summary>
internal sealed class PartFile(string target)
{
    private readonly string _tag = target + ".part.etag";

    /// <summary>The part's file.</summary>
    public string Path { get; } = target + ".part";

    /// <summary>Bytes that have arrived; 0 where there is no file.</summary>
    public long Length => File.Exists(Path) ? new FileInfo(Path).Length : 0;

    /// <summary>The tag to resume with; weak tags are not kept, since they do not promise equal bytes.</summary>
    public EntityTagHeaderValue? Tag
    {
        get => File.Exists(_tag) && EntityTagHeaderValue.TryParse(File.ReadAllText(_tag), out var tag) ? tag : null;
        set
        {
            if (value is { IsWeak: false })
            {
                File.WriteAllText(_tag, value.ToString());
            }
            else
            {
                File.Delete(_tag);
            }
        }
    }

    /// <summary>Opens the part to go on writing at <paramref name="position"/>; what lies behind is cut off.</summary>
    public FileStream OpenAt(long position)
    {
        var file = new FileStream(Path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        file.SetLength(position);
        file.Seek(position, SeekOrigin.Begin);
        return file;
    }

    /// <summary>Removes what has arrived.</summary>
    public PartFile Dropped()
    {
        File.Delete(Path);
        File.Delete(_tag);
        return this;
    }

    /// <summary>The part is whole: gives it its name.</summary>
    public void MoveTo(string whole)
    {
        File.Delete(_tag);
        File.Move(Path, whole);
    }
}
