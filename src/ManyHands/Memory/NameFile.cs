using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;
using ManyHands.Platform;
using ManyHands.Serialization;
using Microsoft.Win32.SafeHandles;

namespace ManyHands.Memory;

/// <summary>A process that has the object of a name open, and where there. Its layout is drawn in this room's README.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct NameEntry
{
    /// <summary>0 where there is no entry.</summary>
    [FieldOffset(0)]
    public int Process;

    [FieldOffset(4)]
    public uint ProcessStart;

    [FieldOffset(8)]
    public int Descriptor;

    [FieldOffset(16)]
    public Guid Id;

    [FieldOffset(32)]
    public long Offset;

    [FieldOffset(40)]
    public long Length;

    /// <summary>Tells a process's entry from its later ones.</summary>
    [FieldOffset(48)]
    public ulong Token;

    public readonly SharedReference Reference => new(Id, Process, Descriptor, ProcessStart, Offset, Length);

    /// <summary>Whether nobody knows of its process that it has ended.</summary>
    public readonly bool IsOfLivingProcess => Process != 0 && !new ProcessIdentity(Process, ProcessStart).HasEnded;
}

/// <summary>The file of a name, locked until it is disposed of; then it is deleted if nobody is in it.</summary>
/// <remarks>Every change is one write within one page, which a process that is killed has done or not.</remarks>
internal sealed class NameFile : IDisposable
{
    public const int EntriesOffset = 4096;
    public const int NameOffset = 128;

    private const ulong Magic = 0x3230_6D61_6E73_686D;
    private const int NameLengthOffset = 8;
    private const int TypeLengthOffset = 12;
    private const int TypeHashOffset = 16;
    private const int LayoutHashOffset = TypeHashOffset + SHA256.HashSizeInBytes;
    private const int LayoutLengthOffset = LayoutHashOffset + SHA256.HashSizeInBytes;

    /// <summary>In characters; the hash has all of it.</summary>
    private const int MostOfType = 500;
    private const int MostEntries = 1 << 16;

    private readonly NameDirectory owner;
    private readonly SafeFileHandle directory;
    private readonly SafeFileHandle file;
    private readonly string fileName;
    private readonly string name;
    private readonly NameEntry[] entries;
    private readonly byte[] typeHash = [];
    private readonly byte[] layoutHash = [];
    private readonly List<NameEntry> added = [];

    public NameFile(NameDirectory owner, SafeFileHandle directory, SafeFileHandle file, string fileName, string name)
    {
        this.owner = owner;
        this.directory = directory;
        this.file = file;
        this.fileName = fileName;
        this.name = name;
        entries = Read(file);
        Type = Layout = "";
        if (entries.Length == 0)
            return;
        Span<byte> header = stackalloc byte[EntriesOffset];
        RandomAccess.Read(file, header, 0);
        int nameLength = BinaryPrimitives.ReadInt32LittleEndian(header[NameLengthOffset..]);
        int typeLength = BinaryPrimitives.ReadInt32LittleEndian(header[TypeLengthOffset..]);
        int layoutLength = BinaryPrimitives.ReadInt32LittleEndian(header[LayoutLengthOffset..]);
        if (nameLength < 0 || typeLength < 0 || layoutLength < 0 || (long)nameLength + typeLength + layoutLength > EntriesOffset - NameOffset)
            throw Damaged(file, $"its texts have {nameLength}, {typeLength} and {layoutLength} bytes");
        typeHash = header.Slice(TypeHashOffset, SHA256.HashSizeInBytes).ToArray();
        layoutHash = header.Slice(LayoutHashOffset, SHA256.HashSizeInBytes).ToArray();
        ReadOnlySpan<byte> texts = header[(NameOffset + nameLength)..];
        Type = Encoding.UTF8.GetString(texts[..typeLength]);
        Layout = Encoding.UTF8.GetString(texts.Slice(typeLength, layoutLength));
    }

    /// <summary>What the object is, for messages.</summary>
    public string Type { get; }

    /// <summary>What its type is made of where it was made, for messages; cut short if it is long.</summary>
    public string Layout { get; }

    public ReadOnlySpan<NameEntry> Entries => entries;

    /// <summary>Whether anybody in a file of that kind lives. What isn't such a file is in use: by whom, nobody here knows.</summary>
    public static bool IsInUse(SafeFileHandle file)
    {
        try
        {
            return Array.Exists(Read(file), static entry => entry.IsOfLivingProcess);
        }
        catch (CorruptSharedMemoryException)
        {
            return true;
        }
    }

    public bool IsOf(Type type) => typeHash.AsSpan().SequenceEqual(HashOf(type.ToString()));

    /// <summary>Whether that type, of which it is by its name, is made of the same here.</summary>
    public bool HasLayoutOf(Type type) => layoutHash.AsSpan().SequenceEqual(HashOf(TypeLayout.Of(type)));

    public bool Has(ulong token) => Array.Exists(entries, entry => entry.Process != 0 && entry.Token == token) || added.Exists(entry => entry.Token == token);

    /// <summary>Removes an entry whose process is gone or has it no more.</summary>
    public void Clear(int index)
    {
        entries[index] = default;
        Write(index, default);
    }

    /// <summary>Removes the entry with the token, if it is there.</summary>
    public void Clear(ulong token)
    {
        int index = Array.FindIndex(entries, entry => entry.Process != 0 && entry.Token == token);
        if (index >= 0)
            Clear(index);
    }

    /// <summary>Begins anew, for an object of that type: there are no entries.</summary>
    public void Begin(Type type)
    {
        Array.Clear(entries);
        RandomAccess.SetLength(file, 0);
        byte[] header = new byte[EntriesOffset];
        string text = type.ToString();
        string layout = TypeLayout.Of(type);
        int nameLength = Encoding.UTF8.GetBytes(name, header.AsSpan(NameOffset));
        int typeLength = Encoding.UTF8.GetBytes(text.AsSpan(0, Math.Min(text.Length, MostOfType)), header.AsSpan(NameOffset + nameLength));
        Utf8.FromUtf16(layout, header.AsSpan(NameOffset + nameLength + typeLength), out _, out int layoutLength);
        BinaryPrimitives.WriteUInt64LittleEndian(header, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(NameLengthOffset), nameLength);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(TypeLengthOffset), typeLength);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(LayoutLengthOffset), layoutLength);
        HashOf(text).CopyTo(header, TypeHashOffset);
        HashOf(layout).CopyTo(header, LayoutHashOffset);
        RandomAccess.Write(file, header, 0);
    }

    public void Add(in SharedReference reference, ulong token)
    {
        int place = Array.FindIndex(entries, static entry => entry.Process == 0);
        if (place < 0)
        {
            // Those that were killed; else the file would grow with every one.
            place = entries.Length;
            for (int i = entries.Length - 1; i >= 0; i--)
            {
                if (entries[i].IsOfLivingProcess)
                    continue;
                Clear(i);
                place = i;
            }
        }

        if (place >= MostEntries)
            throw new IOException($"{MostEntries:N0} objects in living processes have the name '{name}' open, and no more can be told apart.");
        NameEntry entry = new()
        {
            Process = reference.Process,
            ProcessStart = reference.ProcessStart,
            Descriptor = reference.Descriptor,
            Id = reference.Id,
            Offset = reference.Offset,
            Length = reference.Length,
            Token = token,
        };
        Write(place, entry);
        added.Add(entry);
    }

    public void Dispose()
    {
        if (added.Count == 0 && !Array.Exists(entries, static entry => entry.IsOfLivingProcess))
        {
            Linux.Unlink(directory, fileName);
            owner.RemoveIfEmpty();
        }

        file.Dispose();
        directory.Dispose();
    }

    private static byte[] HashOf(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));

    // Its maker may have been killed before it had written anything.
    private static NameEntry[] Read(SafeFileHandle file)
    {
        long length = RandomAccess.GetLength(file);
        if (length == 0)
            return [];
        Span<byte> magic = stackalloc byte[sizeof(ulong)];
        long count = (length - EntriesOffset) / Marshal.SizeOf<NameEntry>();
        if (RandomAccess.Read(file, magic, 0) < magic.Length || BinaryPrimitives.ReadUInt64LittleEndian(magic) is var found && found != Magic)
            throw Damaged(file, "it doesn't begin as it should");
        if (length < EntriesOffset || count > MostEntries)
            throw Damaged(file, $"it has {length:N0} bytes");
        NameEntry[] entries = new NameEntry[count];
        Span<byte> bytes = MemoryMarshal.AsBytes(entries.AsSpan());
        for (int read = 0; read < bytes.Length;)
        {
            int more = RandomAccess.Read(file, bytes[read..], EntriesOffset + read);
            if (more == 0)
                break;
            read += more;
        }

        return entries;
    }

    private void Write(int index, NameEntry entry) =>
        RandomAccess.Write(file, MemoryMarshal.AsBytes(new ReadOnlySpan<NameEntry>(in entry)), EntriesOffset + ((long)index * Marshal.SizeOf<NameEntry>()));

    private static CorruptSharedMemoryException Damaged(SafeFileHandle file, string how) => new(
        $"{new FileInfo($"/proc/self/fd/{file.DangerousGetHandle()}").LinkTarget}, which keeps a name of a shared object, is damaged or of another version of the library: {how}. Delete it when nobody uses the name.");
}
