using ManyHands.Platform;
using Microsoft.Win32.SafeHandles;

namespace ManyHands.Sqlite;

/// <summary>The file beneath the database: made for this user only, refused if it is anything else, watched while it is in use.</summary>
internal sealed class StorageFile : IDisposable
{
    private const UnixFileMode OwnersOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Others =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private const string LogSuffix = "-wal";
    private static readonly string[] Suffixes = [LogSuffix, "-shm", "-journal"];

    private readonly string path;
    private SafeFileHandle? held;
    private SafeFileHandle? log;

    /// <summary>Makes the file if there is none.</summary>
    /// <exception cref="IOException">It isn't safe to use, or can't be made.</exception>
    public StorageFile(string path)
    {
        this.path = path;
        string? folder = Path.GetDirectoryName(path);
        if (folder is null || Directory.Exists(path))
            throw new IOException($"{path} is a folder, and a manager's storage is a file. Name a file in it.");
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"The folder {folder}, where the manager's storage {path} is to be, is not there. Make it first.");
        if (!TryCheck(path))
        {
            Make();
            TryCheck(path);
        }

        // SQLite goes on with those it finds, so they must be what it has left there itself.
        foreach (string suffix in Suffixes)
            HadLog |= TryCheck(path + suffix) && suffix == LogSuffix;
    }

    /// <summary>Whether there was a log beside it before it was opened here.</summary>
    public bool HadLog { get; }

    /// <summary>Once the database is open: keeps others out who would lock the file in the other way, and remembers which files they are.</summary>
    /// <remarks>
    /// SQLite's own lock is one that a process loses when it closes any descriptor of the file, which a program's own code may do that copies the file for example. The one taken here stays.
    /// It is tried second, since the descriptor that it needs would end the other lock if this process itself had the file open. Until it is held, nothing is written and no log removed.
    /// </remarks>
    public void Hold()
    {
        if (!OperatingSystem.IsLinux())
            return;
        held = Linux.TryOpenAt(null, path, Linux.OpenReadWrite | Linux.OpenNoFollow, 0, out int error) ?? throw Failure(path, error);
        if (!Linux.TryLockFile(held))
            throw new IOException($"Another manager has the storage {path} open, and one at a time may have it. End that one, or give each manager a file of its own.");
        log = Linux.TryOpenAt(null, path + LogSuffix, Linux.OpenPathOnly | Linux.OpenNoFollow, 0, out error) ?? throw Failure(path + LogSuffix, error);
    }

    /// <exception cref="IOException">The file or its log has no name any more.</exception>
    public void RefuseDeleted()
    {
        if (held is not null && log is not null && (Linux.Status(held).Links == 0 || Linux.Status(log).Links == 0))
        {
            throw new IOException(
                $"The manager's storage {path} or its {LogSuffix} file was deleted while it was open, so nobody will find there what is written. Start the manager anew; what its queues held is in the deleted file only.");
        }
    }

    public void Dispose()
    {
        held?.Dispose();
        log?.Dispose();
    }

    private void Make()
    {
        try
        {
            FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, BufferSize = 0 };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = OwnersOnly;
            new FileStream(path, options).Dispose();
        }
        catch (IOException) when (File.Exists(path))
        {
            // Another has made it just now; whose it is will be seen.
        }
        catch (UnauthorizedAccessException refusal)
        {
            throw new IOException($"The manager's storage {path} can't be made: {ExceptionText.MessageOf(refusal)} This user must be allowed to make files in that folder.", refusal);
        }
    }

    /// <returns>False if there is no such file.</returns>
    private static bool TryCheck(string file)
    {
        if (!OperatingSystem.IsLinux())
            return TryCheckPortably(file);

        // Looking only: to close a descriptor that could read would end the locks of a database that this process has open there.
        using SafeFileHandle? handle = Linux.TryOpenAt(null, file, Linux.OpenPathOnly | Linux.OpenNoFollow, 0, out int error);
        if (handle is null)
            return error == Linux.ErrorNoEntry ? false : throw Failure(file, error);
        Linux.FileStatus status = Linux.Status(handle);
        if (!status.IsRegular)
            throw Unsafe(file, "it is a link or no regular file. Name the file itself");
        if (status.Owner != Linux.EffectiveUser())
            throw Unsafe(file, $"it belongs to user {status.Owner}, and this is user {Linux.EffectiveUser()}. Use a file of your own");
        return status.IsOpenToOthers ? throw OpenToOthers(file, (UnixFileMode)(status.Mode & 0xFFF)) : true;
    }

    private static bool TryCheckPortably(string file)
    {
        FileInfo information = new(file);
        if (information.LinkTarget is not null)
            throw Unsafe(file, "it is a link. Name the file itself");
        if (!information.Exists)
            return false;
        return !OperatingSystem.IsWindows() && (information.UnixFileMode & Others) != 0 ? throw OpenToOthers(file, information.UnixFileMode) : true;
    }

    private static IOException OpenToOthers(string file, UnixFileMode mode) =>
        Unsafe(file, $"its mode is {Convert.ToString((int)mode, 8)}, so others could read or change it. If nobody has, take that away: chmod 600 '{file}'");

    private static IOException Unsafe(string file, string why) => new($"{file} isn't safe to use for a manager's storage: {why}.");

    private static IOException Failure(string file, int error) =>
        new($"The manager's storage could not open {file}: {ExceptionText.MessageOf(Linux.Failure("open", error))} This user must be allowed to read and write it, and to make files in its folder.");
}
