using System.Diagnostics.CodeAnalysis;
using System.Text;
using ManyHands.Memory;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// Shared objects by name, for processes that have nobody to pass the object from one to the other: any processes of the same user on one machine.
/// </summary>
/// <remarks>
/// <code>
/// using SharedQueue&lt;string&gt; jobs = SharedObject.OpenOrCreate("jobs", () => new SharedQueue&lt;string&gt;());
/// </code>
/// <para>A name belongs to the processes that have made or opened the object by it, until they dispose of it or end, however they end. With the last of them it is free, also if others got the object in another way, as an argument.
/// Nothing is left then: where processes were killed, the next one that opens any name clears it up.</para>
/// <para>Names are those of this user, and of processes that see each other under the same process ids (not in different containers). They tell upper from lower case. On Linux only.</para>
/// </remarks>
public static class SharedObject
{
    /// <summary>How long a name may be, in characters.</summary>
    public const int LongestName = 200;

    /// <summary>Opens the object of that name, or makes it if there is none. Of several processes that do so at a time, one makes it and the others open that one.</summary>
    /// <param name="name">1 to 200 characters, none of them a control character.</param>
    /// <param name="make">Makes the object, while others that want the name wait for up to 30 s. It may return one that is there already, which gets the name so. If that fails, the object is disposed of.</param>
    /// <typeparam name="T">What it is; the same, with the same type arguments, in all processes.</typeparam>
    /// <returns>To be disposed of.</returns>
    /// <exception cref="ArgumentException">It can't be a name.</exception>
    /// <exception cref="SharedNameException">It is the name of something else, or names can't be used; see <see cref="SharedNameException.Error"/>.</exception>
    /// <exception cref="CorruptSharedMemoryException">Something else has written over it.</exception>
    /// <exception cref="UnauthorizedAccessException">The process that has it has other privileges than this one.</exception>
    /// <exception cref="IOException">The system refused: no memory, no descriptor. Nothing is known then of who has the name.</exception>
    /// <exception cref="NotSupportedException">It is the end of a pipe.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public static T OpenOrCreate<T>(string name, Func<T> make)
        where T : class, ISharedObject<T> => OpenOrCreateIn(NameDirectory.Own, name, make);

    /// <summary>Makes an object with a name that nothing has.</summary>
    /// <exception cref="SharedNameException">Something has that name, or names can't be used; see <see cref="SharedNameException.Error"/>.</exception>
    /// <inheritdoc cref="OpenOrCreate"/>
    public static T Create<T>(string name, Func<T> make)
        where T : class, ISharedObject<T> => CreateIn(NameDirectory.Own, name, make);

    /// <summary>Opens the object of that name.</summary>
    /// <exception cref="SharedNameException">Nothing has that name, or something else, or names can't be used; see <see cref="SharedNameException.Error"/>.</exception>
    /// <inheritdoc cref="OpenOrCreate"/>
    public static T Open<T>(string name)
        where T : class, ISharedObject<T> =>
        TryOpen(name, out T? shared) ? shared : throw new SharedNameException(SharedNameError.NotFound, name, $"No process of this user has a shared object by the name '{name}'; start the one that makes it first, or take OpenOrCreate.");

    /// <summary>Opens the object of that name, if there is one.</summary>
    /// <param name="name">1 to 200 characters, none of them a control character.</param>
    /// <param name="shared">The object, to be disposed of.</param>
    /// <returns>False if nothing has that name.</returns>
    /// <inheritdoc cref="OpenOrCreate"/>
    public static bool TryOpen<T>(string name, [NotNullWhen(true)] out T? shared)
        where T : class, ISharedObject<T> => TryOpenIn(NameDirectory.Own, name, out shared);

    internal static T OpenOrCreateIn<T>(NameDirectory directory, string name, Func<T> make)
        where T : class, ISharedObject<T>
    {
        ArgumentNullException.ThrowIfNull(make);
        using NameFile file = Lock<T>(directory, name, create: true)!;
        return Find<T>(directory, file, name) ?? Make(directory, file, name, make);
    }

    internal static T CreateIn<T>(NameDirectory directory, string name, Func<T> make)
        where T : class, ISharedObject<T>
    {
        ArgumentNullException.ThrowIfNull(make);
        using NameFile file = Lock<T>(directory, name, create: true)!;
        if (Living(file) >= 0)
            throw new SharedNameException(SharedNameError.Taken, name, $"Another object has the name '{name}', a {file.Type}; take another name, or OpenOrCreate to use that one.");
        return Make(directory, file, name, make);
    }

    internal static bool TryOpenIn<T>(NameDirectory directory, string name, [NotNullWhen(true)] out T? shared)
        where T : class, ISharedObject<T>
    {
        using NameFile? file = Lock<T>(directory, name, create: false);
        shared = file is null ? null : Find<T>(directory, file, name);
        return shared is not null;
    }

    private static NameFile? Lock<T>(NameDirectory directory, string name, bool create)
        where T : class, ISharedObject<T>
    {
        Check(name);
        if (!T.CanBeNamed)
            throw new NotSupportedException($"A {typeof(T)} can't have a name: its two ends are passed to those that use them. Take a SharedQueue.");
        directory.Sweep();
        return directory.Lock(name, create);
    }

    private static void Check(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name.Length > LongestName)
            throw new ArgumentException($"A name has at most {LongestName} characters, and this one has {name.Length}.", nameof(name));
        foreach (Rune rune in name.EnumerateRunes())
        {
            if (Rune.IsControl(rune) || rune == Rune.ReplacementChar)
                throw new ArgumentException($"U+{rune.Value:X4} can't be in a name: take text without control characters and halves of surrogate pairs.", nameof(name));
        }
    }

    private static T? Find<T>(NameDirectory directory, NameFile file, string name)
        where T : class, ISharedObject<T>
    {
        while (Living(file) is >= 0 and var index)
        {
            if (!file.IsOf(typeof(T)))
                throw new SharedNameException(SharedNameError.OtherType, name, $"The name '{name}' is that of a {file.Type}, and not of a {typeof(T)}; take another name, or the same type in all processes.");
            if (!file.HasLayoutOf(typeof(T)))
            {
                throw new SharedNameException(
                    SharedNameError.OtherLayout,
                    name,
                    $"The name '{name}' is that of a {file.Type} of another build, whose parts are others or stand elsewhere than here. There: {file.Layout}here: {TypeLayout.Of(typeof(T))}build all programs that use it from the same source, or take another name.");
            }

            try
            {
                return Named(directory, file, name, T.Attach(file.Entries[index].Reference));
            }
            catch (SharedObjectLostException)
            {
                // Disposed of between the two looks.
                file.Clear(index);
            }
        }

        return null;
    }

    // The first entry whose object is there; those before it go.
    private static int Living(NameFile file)
    {
        for (int i = 0; i < file.Entries.Length; i++)
        {
            if (file.Entries[i].Process == 0)
                continue;
            if (SharedBlock.IsThere(file.Entries[i].Reference))
                return i;
            file.Clear(i);
        }

        return -1;
    }

    private static T Make<T>(NameDirectory directory, NameFile file, string name, Func<T> make)
        where T : class, ISharedObject<T>
    {
        T made = make() ?? throw new InvalidOperationException($"The function that should make '{name}' returned null; return the object.");
        file.Begin(typeof(T));
        return Named(directory, file, name, made);
    }

    private static T Named<T>(NameDirectory directory, NameFile file, string name, T shared)
        where T : class, ISharedObject<T>
    {
        NameRegistration? registration = null;
        SharedReference reference = default;
        try
        {
            reference = shared.Refer();
            SharedBlock.Keep(in reference);
            registration = SharedBlock.AddName(reference.Id, new NameRegistration(directory, name));
            registration.Enter(file, in reference);
            return shared;
        }
        catch
        {
            if (registration is not null)
            {
                registration.Forget();
                SharedBlock.RemoveName(reference.Id, registration);
            }

            (shared as IDisposable)?.Dispose();
            throw;
        }
    }
}
