using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Net;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using ManyHands.Platform;

namespace ManyHands.Managers;

/// <summary>What Python clients can have of a manager's objects: each under one identity, as long as the listener lives. Objects that clients made themselves are here only.</summary>
internal sealed partial class PythonExports : IDisposable
{
    private static readonly FrozenSet<string> Keywords = FrozenSet.ToFrozenSet(
    [
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda",
        "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
    ]);

    private readonly HostedObjects objects;
    private readonly PythonListenerOptions options;
    private readonly ConcurrentDictionary<string, PythonExport> byIdent = new(StringComparer.Ordinal);
    private readonly Dictionary<HostedObject, PythonExport> registered = [];
    private readonly Lock gate = new();
    private readonly Timer? sweeping;
    private long lastIdent;
    private int created;
    private bool isDisposed;

    public PythonExports(HostedObjects objects, PythonListenerOptions options)
    {
        this.objects = objects;
        this.options = options;
        if (!options.AllowCreation)
            return;
        TimeSpan period = options.CreatedObjectLifetime / 4;
        if (period > TimeSpan.FromMinutes(1))
            period = TimeSpan.FromMinutes(1);
        sweeping = Guarded.Every(GuardedEntry.ManagerObject, period, this, static exports => exports.DropUnused(), static _ => "objects that Python clients have made and use no more, which are looked for again");
    }

    /// <summary>How many have users, as far as these have told.</summary>
    public int UsedCount => byIdent.Values.Count(one => one.References > 0);

    public string DebugInfo => string.Join('\n', byIdent.Values.Where(one => one.References > 0).OrderBy(one => one.Ident, StringComparer.Ordinal).Select(one => $"  {one.Ident}:       refcount={one.References}\n    {one}"));

    /// <summary>Whether Python takes it for a name.</summary>
    public static bool IsName(string name) => name.Length <= HostedObjects.LongestName && Identifier().IsMatch(name) && !Keywords.Contains(name);

    /// <summary>The object of that name, or a new one of that type; with a reference more.</summary>
    /// <exception cref="PythonRefusedException">There is none.</exception>
    public PythonExport Create(string typeId, PythonArguments arguments, IPAddress? address)
    {
        PythonExport export = FindRegistered(typeId) is { } hosted ? Export(hosted, typeId, arguments) : Make(typeId, arguments);
        export.AddReference();
        export.Goodbyes.Created(address);
        return export;
    }

    /// <summary>The object of that identity.</summary>
    /// <exception cref="PythonRefusedException">There is none.</exception>
    public PythonExport Find(object? ident)
    {
        if (ident is not string text || !byIdent.TryGetValue(text, out PythonExport? found))
            throw new PythonRefusedException("KeyError", PythonText.Of(ident));
        found.LastUse = Environment.TickCount64;
        return found;
    }

    public void GiveUp(PythonExport export, IPAddress? address)
    {
        export.Goodbyes.GivenUp(address);
        if (export.RemoveReference() == 0 && export.IsCreated)
            Drop(export);
    }

    public void Dispose()
    {
        sweeping?.Dispose();
        lock (gate)
            isDisposed = true;
        foreach (PythonExport export in byIdent.Values)
        {
            if (export.IsCreated)
                Drop(export);
        }
    }

    private HostedObject? FindRegistered(string typeId) => objects.Find(options.Names.TryGetValue(typeId, out string? name) ? name : typeId);

    private PythonExport Export(HostedObject hosted, string typeId, PythonArguments arguments)
    {
        if (arguments.Count > 0)
            throw new PythonRefusedException("TypeError", $"'{typeId}' is there already; it takes no arguments");
        lock (gate)
        {
            if (!registered.TryGetValue(hosted, out PythonExport? export))
            {
                export = PythonExporting.Of(hosted, typeId, NewIdent(), isCreated: false)
                    ?? throw new PythonRefusedException("TypeError", $"'{typeId}' is a {hosted.Kind}, which Python clients can't use");
                registered[hosted] = export;
                byIdent[export.Ident] = export;
            }

            return export;
        }
    }

    private PythonExport Make(string typeId, PythonArguments arguments)
    {
        if (!PythonExporting.Makes(typeId))
            throw new PythonRefusedException("KeyError", $"{PythonText.Of(typeId)}: the manager has nothing of that name");
        if (!options.AllowCreation)
            throw new PythonRefusedException("PermissionError", $"the manager has nothing named {PythonText.Of(typeId)}, and clients may not make objects of their own here (PythonListenerOptions.AllowCreation)");
        lock (gate)
        {
            if (isDisposed)
                throw new PythonRefusedException("EOFError", "the manager has stopped");
            if (created >= options.MaxCreatedObjects)
                throw new PythonRefusedException("RuntimeError", $"clients have made {created:N0} objects, and PythonListenerOptions.MaxCreatedObjects allows no more");
            created++;
        }

        try
        {
            PythonExport export = PythonExporting.Make(typeId, NewIdent(), arguments, objects.Bytes);
            byIdent[export.Ident] = export;
            return export;
        }
        catch
        {
            lock (gate)
                created--;
            throw;
        }
    }

    private void Drop(PythonExport export)
    {
        if (!byIdent.TryRemove(export.Ident, out _))
            return;
        lock (gate)
            created--;
        PythonExporting.End(export);
    }

    private void DropUnused()
    {
        long oldest = Environment.TickCount64 - (long)options.CreatedObjectLifetime.TotalMilliseconds;
        foreach (PythonExport export in byIdent.Values)
        {
            if (export.IsCreated && export.LastUse < oldest && export.Hosted.Waiting == 0)
                Drop(export);
        }
    }

    // Never one that was used before, by this manager or one that was here before it.
    private string NewIdent() => $"{Interlocked.Increment(ref lastIdent):x}_{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}";

    [GeneratedRegex(@"^[A-Za-z_][A-Za-z0-9_]*\z")]
    private static partial Regex Identifier();
}
