using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using ManyHands.Platform;
using Microsoft.Win32.SafeHandles;

namespace ManyHands.Memory;

/// <summary>
/// A folder with a file for each name that a shared object has: who has it open, and where there. The objects themselves stay in anonymous memory. Only this user can enter it, and it goes with its last file.
/// </summary>
/// <remarks>
/// A file belongs to whoever has it locked (flock), and only he deletes it. Who has opened a file that was deleted before he got the lock sees that it has no name any more, and begins again. A killed process loses its
/// lock, and what it has left in the file tells that it is dead.
/// </remarks>
internal sealed class NameDirectory(string path)
{
    private const string WorldWritable = "/dev/shm";
    private const string Temporary = "/tmp";

    /// <summary>
    /// A file is locked for microseconds, or as long as somebody makes an object. Where many want it, it goes from one to the next, and each writes into it; only one that was stopped keeps it for so long without a change.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>How long to sleep between two tries, at most, in milliseconds: many who try ever again would take the processor from the one they wait for.</summary>
    private const int LongestPause = 32;
    private static readonly TimeSpan SweepPause = TimeSpan.FromSeconds(1);

    // What couldn't be found out is asked again.
    private static readonly Lazy<NameDirectory> Shared = new(static () => new(OwnPath()), LazyThreadSafetyMode.PublicationOnly);
    private long sweptAt;

    /// <summary>The one of this user, for processes that see each other under the same numbers.</summary>
    /// <exception cref="IOException">The system refused to say where that is.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public static NameDirectory Own
    {
        get
        {
            SharedBlock.RefuseOtherSystems();
            return Shared.Value;
        }
    }

    public string Location => path;

    /// <summary>The file of a name, locked.</summary>
    /// <param name="name">Any text.</param>
    /// <param name="create">Whether to make it if there is none.</param>
    /// <param name="patience">How long to wait for the lock while the file doesn't change; null for the usual time.</param>
    /// <returns>Null if there is none.</returns>
    /// <exception cref="SharedNameException">Somebody keeps it locked, or it isn't safe to use.</exception>
    /// <exception cref="IOException">The system refused.</exception>
    public NameFile? Lock(string name, bool create, TimeSpan? patience = null)
    {
        string fileName = FileNameOf(name);
        long changedAt = Stopwatch.GetTimestamp();
        Linux.FileVersion version = default;
        int pause = 1;
        while (true)
        {
            SafeFileHandle? directory = Enter(create);
            if (directory is null)
                return null;
            SafeFileHandle? file = null;
            try
            {
                file = Open(directory, fileName, create, out bool isAway);
                if (file is null && isAway && !create)
                    return null;
                if (file is not null && Linux.TryLockFile(file) && IsStillThere(file, fileName))
                {
                    NameFile locked = new(this, directory, file, fileName, name);
                    directory = file = null;
                    return locked;
                }

                if (file is not null && Linux.Status(file).Version is var now && now != version)
                    (version, changedAt) = (now, Stopwatch.GetTimestamp());
            }
            finally
            {
                file?.Dispose();
                directory?.Dispose();
            }

            if (Stopwatch.GetElapsedTime(changedAt) > (patience ?? Patience))
            {
                throw new SharedNameException(
                    SharedNameError.Busy, name, $"Another process keeps the name '{name}' locked; one that was stopped while it opened it has to be continued or ended (see who has {path}/{fileName} open).");
            }

            Thread.Sleep(Random.Shared.Next(1, pause + 1));
            pause = Math.Min(2 * pause, LongestPause);
        }
    }

    /// <summary>Deletes the files of names that nobody has who lives, unless that was done just now.</summary>
    public void Sweep()
    {
        long last = Volatile.Read(ref sweptAt);
        if ((last != 0 && Stopwatch.GetElapsedTime(last) < SweepPause) || Interlocked.CompareExchange(ref sweptAt, Stopwatch.GetTimestamp(), last) != last)
            return;
        using SafeFileHandle? directory = Enter(create: false);
        if (directory is null)
            return;
        foreach (string fileName in FileNames())
        {
            SafeFileHandle? file = null;
            try
            {
                file = Open(directory, fileName, create: false, out _);
                if (file is not null && Linux.TryLockFile(file) && IsStillThere(file, fileName) && !NameFile.IsInUse(file))
                    Linux.Unlink(directory, fileName);
            }
            catch (IOException)
            {
                // Whoever wants that name is told.
            }
            finally
            {
                file?.Dispose();
            }
        }

        RemoveIfEmpty();
    }

    /// <summary>Who is just about to make a file there begins again.</summary>
    public void RemoveIfEmpty() => Linux.RemoveDirectory(path);

    private static string OwnPath()
    {
        // Numbers of processes mean nothing in another namespace, and a process there isn't dead because it isn't seen here.
        // Two processes that took a refusal for an answer would look in two places.
        const string Space = "/proc/self/ns/pid";
        string numbers = Linux.TryReadLink(Space, out int error) ?? (error == Linux.ErrorNoEntry ? "0" : throw Linux.Failure($"Reading {Space}", error));
        _ = Linux.TryReadLink(WorldWritable + "/.", out error);
        string place = error switch
        {
            Linux.ErrorInvalid => WorldWritable,
            Linux.ErrorNoEntry or Linux.ErrorNotDirectory or Linux.ErrorAccess => Temporary,
            _ => throw Linux.Failure($"Looking for {WorldWritable}", error),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{place}/manyhands-{Linux.EffectiveUser()}-{string.Concat(numbers.Where(char.IsAsciiDigit))}");
    }

    private static string FileNameOf(string name) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)));

    private string[] FileNames()
    {
        try
        {
            return [.. Directory.EnumerateFiles(path).Select(Path.GetFileName).OfType<string>().Where(static name => name.Length == 2 * SHA256.HashSizeInBytes)];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    private SafeFileHandle? Enter(bool create)
    {
        if (create && Linux.MakeDirectory(path) is var made and not (0 or Linux.ErrorExists))
            throw Linux.Failure($"Making the folder {path}", made);
        SafeFileHandle? directory = Linux.TryOpenAt(null, path, Linux.OpenReadOnly | Linux.OpenDirectory | Linux.OpenNoFollow, 0, out int error);
        if (directory is null)
        {
            return error switch
            {
                // Removed just now, when somebody is to make it.
                Linux.ErrorNoEntry when !create => null,
                Linux.ErrorNoEntry => Enter(create),
                Linux.ErrorLoop or Linux.ErrorNotDirectory or Linux.ErrorAccess => throw Unsafe("", "it is a link, a file, or another user's"),
                _ => throw Linux.Failure($"Opening the folder {path}", error),
            };
        }

        Linux.FileStatus status = Linux.Status(directory);
        if (status.IsDirectory && status.Owner == Linux.EffectiveUser() && !status.IsOpenToOthers)
            return directory;
        directory.Dispose();
        throw Unsafe("", status.Owner == Linux.EffectiveUser() ? $"its mode is {Octal(status.Mode)}, so others could have put something there" : $"user {status.Owner} has made it");
    }

    private SafeFileHandle? Open(SafeFileHandle directory, string fileName, bool create, out bool isAway)
    {
        const uint Mode = 0x180;
        int flags = Linux.OpenReadWrite | Linux.OpenNoFollow | Linux.OpenNonBlocking;
        SafeFileHandle? file = Linux.TryOpenAt(directory, fileName, flags, 0, out int error);
        if (error == Linux.ErrorNoEntry && create)
            file = Linux.TryOpenAt(directory, fileName, flags | Linux.OpenCreate | Linux.OpenExclusive, Mode, out error);
        isAway = error == Linux.ErrorNoEntry;
        if (file is null && error is not (Linux.ErrorNoEntry or Linux.ErrorExists))
            throw error is Linux.ErrorLoop or Linux.ErrorAccess or Linux.ErrorNoDevice ? Unsafe("/" + fileName, "it is a link or not a file that this user may read and write") : Linux.Failure($"Opening {path}/{fileName}", error);
        return file;
    }

    private bool IsStillThere(SafeFileHandle file, string fileName)
    {
        Linux.FileStatus status = Linux.Status(file);
        if (status.Links == 0)
            return false;
        return status.IsRegular && status.Owner == Linux.EffectiveUser() && !status.IsOpenToOthers && status.Links == 1
            ? true
            : throw Unsafe("/" + fileName, $"it has the mode {Octal(status.Mode)}, {status.Links} names and the owner {status.Owner}");
    }

    private static string Octal(ushort mode) => Convert.ToString(mode & 0xFFF, 8);

    private SharedNameException Unsafe(string what, string why) => new(
        SharedNameError.Unsafe, null, $"{path}{what} isn't safe to use: {why}. Names of shared objects are kept there, for this user only: find out who made it, and remove it.");
}
