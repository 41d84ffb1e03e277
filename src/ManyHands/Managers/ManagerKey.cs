using System.Security.Cryptography;
using System.Text;
using ManyHands.Platform;

namespace ManyHands;

/// <summary>
/// The secret that a manager and its clients share. Who has it may do everything that the manager offers. Keep it in a file that only its owner can read, or in the environment; never on a command line, where every user of the machine sees it.
/// </summary>
public sealed class ManagerKey
{
    /// <summary>How many random bytes a generated key has.</summary>
    public const int GeneratedLength = 32;

    /// <summary>A manager's own protocol takes no key of fewer bytes than this.</summary>
    public const int ShortestLength = 16;

    private readonly byte[] bytes;

    private ManagerKey(byte[] bytes) => this.bytes = bytes;

    internal ReadOnlySpan<byte> Span => bytes;

    internal ReadOnlyMemory<byte> Memory => bytes;

    internal int Length => bytes.Length;

    /// <summary>Makes a key of 32 random bytes.</summary>
    public static ManagerKey Generate() => new(RandomNumberGenerator.GetBytes(GeneratedLength));

    /// <summary>A key of these bytes; they are copied.</summary>
    /// <exception cref="ArgumentException">There are none.</exception>
    public static ManagerKey FromBytes(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            throw new ArgumentException("An empty key protects nothing; make one with ManagerKey.Generate().", nameof(bytes));
        return new(bytes.ToArray());
    }

    /// <summary>A key of this text's bytes in UTF-8, as Python's <c>authkey=b'…'</c> has them. A text that somebody made up is easily guessed; prefer <see cref="Generate"/>.</summary>
    /// <exception cref="ArgumentException">The text is empty.</exception>
    public static ManagerKey FromText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return FromBytes(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Reads a key that <see cref="Save"/> has written: base64 on one line.</summary>
    /// <exception cref="IOException">There is no such file, it can't be read, or there is no key in it.</exception>
    /// <exception cref="UnauthorizedAccessException">Others than its owner may read or change it; the message says what to do.</exception>
    public static ManagerKey FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(file.SafeFileHandle) is var mode && (mode & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != 0)
            throw new UnauthorizedAccessException($"The key in '{path}' is no secret: others may read or change the file ({mode}). Run 'chmod 600 {path}', and make a new key if somebody may have read it.");
        using StreamReader reader = new(file);
        return FromBase64(reader.ReadToEnd(), $"the file '{path}'") ?? throw new IOException($"The file '{path}' is empty. Write a key into it with ManagerKey.Generate().Save(\"{path}\").");
    }

    /// <summary>Reads the key in the file, or makes one and writes it there if there is none.</summary>
    /// <inheritdoc cref="FromFile" path="exception"/>
    public static ManagerKey FromFileOrNew(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            return FromFile(path);
        }
        catch (FileNotFoundException)
        {
        }

        try
        {
            ManagerKey made = Generate();
            made.Save(path);
            return made;
        }
        catch (IOException) when (File.Exists(path))
        {
            // Somebody else was quicker.
            return FromFile(path);
        }
    }

    /// <summary>Reads a key from an environment variable, in base64, and takes the variable out of this process's environment, so that its children don't inherit it.</summary>
    /// <exception cref="InvalidOperationException">There is no such variable, or no key in it.</exception>
    public static ManagerKey FromEnvironment(string variable = "MANYHANDS_KEY")
    {
        ArgumentException.ThrowIfNullOrEmpty(variable);
        string? text = Environment.GetEnvironmentVariable(variable);
        Environment.SetEnvironmentVariable(variable, null);
        try
        {
            return FromBase64(text, $"the variable {variable}") ?? throw new InvalidOperationException($"The environment has no variable {variable}. Set it to the key in base64, or read the key from a file with ManagerKey.FromFile.");
        }
        catch (IOException reason)
        {
            throw new InvalidOperationException(ExceptionText.MessageOf(reason), reason);
        }
    }

    /// <summary>Writes the key to a new file that only its owner can read.</summary>
    /// <exception cref="IOException">The file is there already, or can't be written.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using StreamWriter writer = new(path, Encoding.ASCII, options);
        writer.WriteLine(ToBase64());
    }

    /// <summary>The key as <see cref="FromEnvironment"/> reads it.</summary>
    public string ToBase64() => Convert.ToBase64String(bytes);

    /// <summary>Says how long it is, and nothing else of it.</summary>
    public override string ToString() => $"ManagerKey of {bytes.Length} bytes";

    private static ManagerKey? FromBase64(string? text, string where)
    {
        if (string.IsNullOrWhiteSpace(text))
            return null;
        try
        {
            return new(Convert.FromBase64String(text.Trim()));
        }
        catch (FormatException)
        {
            throw new IOException($"What is in {where} is no key in base64, as ManagerKey.ToBase64 and Save write it. For a key that is a text, use ManagerKey.FromText.");
        }
    }
}
