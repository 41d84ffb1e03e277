using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ManyHands.Tests.Faults;

/// <summary>Where a function is when it never returns.</summary>
public enum EndlessLoop
{
    Managed,

    /// <summary>The C library searches an endless array; the runtime can't suspend the thread, so no garbage collection ends either.</summary>
    Native,

    /// <summary>A system call that waits for ever; the runtime can't suspend that thread either.</summary>
    NativeWait,

    /// <summary>Managed code, called from native code.</summary>
    NativeCallback,
}

public static unsafe partial class EndlessLoops
{
    /// <summary>Starts two processes, one by a shell, writes the ids of all to a file, and never returns.</summary>
    public static int RunWithGrandchildren(EndlessLoop loop, string path)
    {
        StartGrandchildren(path);
        Run(loop);
        return 0;
    }

    /// <summary>Starts two processes, one by a shell, and writes the ids of all, this process's first, to a file.</summary>
    public static void StartGrandchildren(string path)
    {
        using Process sleep = Process.Start("/bin/sleep", "1000");
        using Process shell = Process.Start("/bin/sh", ["-c", $"sleep 1000 & echo $! > '{path}.sh' && mv '{path}.sh' '{path}.shell'; wait"]);
        Gate.Wait(path + ".shell");
        string[] ids = [Id(Environment.ProcessId), Id(sleep.Id), Id(shell.Id), File.ReadAllText(path + ".shell").Trim()];
        File.WriteAllLines(path + ".ids", ids);
        File.Move(path + ".ids", path);

        static string Id(int id) => id.ToString(CultureInfo.InvariantCulture);
    }

    public static int[] ReadIds(string path) => [.. File.ReadAllLines(path).Select(line => int.Parse(line, CultureInfo.InvariantCulture))];

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run(EndlessLoop loop)
    {
        switch (loop)
        {
            case EndlessLoop.Native:
                // Items of no size: it compares the first with the key for ever.
                byte key = (byte)'a', other = (byte)'b';
                nuint count = nuint.MaxValue;
                Find(&key, &other, &count, 0, NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), "strcasecmp"));
                break;
            case EndlessLoop.NativeWait:
                while (true)
                    _ = Pause();
            case EndlessLoop.NativeCallback:
                int* two = stackalloc int[2];
                Sort(two, 2, sizeof(int), &Compare);
                break;
            default:
                while (true)
                {
                }
        }

        throw new InvalidOperationException($"The endless loop {loop} ended.");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Compare(void* one, void* other)
    {
        while (true)
        {
        }
    }

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "lfind")]
    private static partial void* Find(void* key, void* items, nuint* count, nuint size, nint comparer);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "pause")]
    private static partial int Pause();

    [LibraryImport("libc", EntryPoint = "qsort")]
    private static partial void Sort(void* items, nuint count, nuint size, delegate* unmanaged[Cdecl]<void*, void*, int> comparer);
}
