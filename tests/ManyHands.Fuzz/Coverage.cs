using System.Diagnostics;
using System.Runtime.InteropServices;
using Trace = SharpFuzz.Common.Trace;

namespace ManyHands.Fuzz;

/// <summary>
/// Which ways an input takes through the library's code: SharpFuzz has written a counter at each branch of it, as AFL does. An input that takes a way that none took before, or takes one so much oftener, is worth to go on from.
/// </summary>
internal sealed unsafe class Coverage
{
    private const int Size = 1 << 16;

    /// <summary>Who has the instrumented copy say so to itself.</summary>
    private const string Mark = "MANYHANDS_FUZZ_INSTRUMENTED";

    private static readonly string[] Rooms = ["ManyHands.Managers", "ManyHands.Serialization", "ManyHands.Calls", "ManyHands.Transport", "ManyHands.Python"];

    private readonly byte[] seen = new byte[Size];
    private readonly byte* counts = (byte*)NativeMemory.AllocZeroed(Size);

    private Coverage() => Trace.SharedMem = counts;

    /// <summary>In a copy of the program whose library counts; null in any other.</summary>
    public static Coverage? Find() => Environment.GetEnvironmentVariable(Mark) is null ? null : new();

    /// <summary>How many branches have been gone by at all.</summary>
    public int Branches => seen.Count(static bits => bits != 0);

    /// <summary>Runs this program again with the same arguments, from a copy whose library counts its branches.</summary>
    /// <returns>Its exit code.</returns>
    public static int RunInstrumented(string[] arguments)
    {
        DirectoryInfo copy = Directory.CreateTempSubdirectory("manyhands-fuzz-");
        try
        {
            foreach (string file in Directory.EnumerateFiles(AppContext.BaseDirectory, "*", SearchOption.AllDirectories))
            {
                string target = Path.Combine(copy.FullName, Path.GetRelativePath(AppContext.BaseDirectory, file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }

            // Not the one beside the program, which is compiled ahead.
            string library = Path.Combine(copy.FullName, "ManyHands.dll");
            File.Copy(Path.Combine(AppContext.BaseDirectory, "Instrumentable", "ManyHands.dll"), library, overwrite: true);
            SharpFuzz.Fuzzer.Instrument(library, static type => Array.Exists(Rooms, room => type.StartsWith(room, StringComparison.Ordinal)), SharpFuzz.Options.Value);
            ProcessStartInfo start = new(Environment.ProcessPath!);
            if (Path.GetFileNameWithoutExtension(start.FileName).Equals("dotnet", StringComparison.OrdinalIgnoreCase))
                start.ArgumentList.Add(Path.Combine(copy.FullName, "ManyHands.Fuzz.dll"));
            else
                start.FileName = Path.Combine(copy.FullName, Path.GetFileName(start.FileName));
            foreach (string argument in arguments)
                start.ArgumentList.Add(argument);
            start.Environment[Mark] = "1";
            using Process process = Process.Start(start)!;
            process.WaitForExit();
            return process.ExitCode;
        }
        finally
        {
            copy.Delete(recursive: true);
        }
    }

    /// <summary>Before an input runs.</summary>
    public void Clear()
    {
        new Span<byte>(counts, Size).Clear();
        Trace.PrevLocation = 0;
    }

    /// <summary>After it ran: whether it went where none went before.</summary>
    public bool IsNew()
    {
        ReadOnlySpan<ulong> all = new(counts, Size / sizeof(ulong));
        bool isNew = false;
        for (int word = 0; word < all.Length; word++)
        {
            if (all[word] == 0)
                continue;
            for (int place = word * sizeof(ulong); place < (word + 1) * sizeof(ulong); place++)
            {
                byte bucket = Bucket(counts[place]);
                isNew |= (bucket & ~seen[place]) != 0;
                seen[place] |= bucket;
            }
        }

        return isNew;
    }

    // How often, roughly: once, twice, thrice, up to 7, 15, 31, 127, more.
    private static byte Bucket(byte count) => count switch { 0 => 0, 1 => 1, 2 => 2, 3 => 4, < 8 => 8, < 16 => 16, < 32 => 32, < 128 => 64, _ => 128 };
}
